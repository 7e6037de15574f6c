"""A person's look at the demo, in Chromium: choose, drop and compare, by mouse and by keyboard."""

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from browser import CHROMEDRIVER, CHROMIUM, DESKTOP, PATIENCE, PHONE, Browser
from finished_trainings import write_training
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from sfsc.deploy.accuracy import embed_split
from sfsc.deploy.demo.exhibits import Exhibits, open_exhibits
from sfsc.deploy.demo.server import RUNTIME, RUNTIME_FILES
from sfsc.deploy.export import export

pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium: tests/system/install.sh"
    ),
    pytest.mark.skipif(
        not all((RUNTIME / name).is_file() for name in RUNTIME_FILES),
        reason="needs ONNX Runtime Web: tests/system/install.sh",
    ),
]

EMBED = """
    const [key, path, done] = arguments
    async function embedTwice() {
        const { embed, embedOnServer } = await import('/page/embedding.js')
        const about = await (await fetch('/about')).json()
        const pixels = new Uint8Array(await (await fetch(path)).arrayBuffer())
        const here = await embed(key, pixels, [...about.image_size, about.image_channels])
        const there = await embedOnServer(key, pixels)
        return [Array.from(here.vector), Array.from(there.vector), here.sent]
    }
    embedTwice().then(done)
"""
"""Embeds a query as the page does, and on the server."""


@dataclass(frozen=True)
class Demo:
    """A running demo."""

    address: str
    exhibits: Exhibits
    photograph: Path
    """A query of the test set as a file."""
    first: int
    """A test query whose first hit at width 1/4 is right."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The command `sfsc demo` on an export; it ends without a word."""
    folder = tmp_path_factory.mktemp("project")
    training = write_training(folder)
    export(training, folder / "export")
    command = [sys.executable, "-m", "sfsc.cli", "demo", "export", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    with open_exhibits(training) as exhibits:
        vectors = embed_split(exhibits.models["0.25"].embedder, exhibits.prepared, "query")
        answers = [exhibits.search(vector, place) for place, vector in enumerate(vectors)]
        first = next(place for place, answer in enumerate(answers) if answer.first == 1)
        photograph = folder / "a photograph.png"
        Image.fromarray(exhibits.prepared.images[exhibits.queries[first]]).save(photograph)
        address = _address_of(process)
        yield Demo(address, exhibits, photograph, first)
    process.terminate()
    assert process.stderr is not None
    with closing(process.stderr):
        assert process.stderr.read() == ""
    assert process.wait(PATIENCE) == 0


def _address_of(process: subprocess.Popen[str]) -> str:
    """Return the address that the command prints, as soon as it answers."""
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.match(r"(http://127\.0\.0\.1:\d+)  \(Ctrl\+C ends it\)", line):
            break
    else:
        pytest.fail(f"ended with {process.wait()}")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(match[1], timeout=5).close()  # noqa: S310 - loopback
        except OSError:
            time.sleep(0.1)
        else:
            break
    return match[1]


@pytest.fixture
def page(tmp_path: Path, demo: Demo) -> Iterator[Browser]:
    """The page, after its first query; no other host was asked and the console is empty."""
    browser = Browser(tmp_path / "profile")
    browser.driver.get(demo.address)
    wait_until_done(browser, "Test query 0")
    yield browser
    assert browser.hosts() == {urlparse(demo.address).netloc}
    assert browser.driver.get_log("browser") == []
    browser.driver.quit()


def wait_until_done(browser: Browser, name: str) -> None:
    """Wait until a query is answered at every width."""
    browser.until(lambda: browser.run("return document.body.dataset.done") == name, name)


@pytest.mark.parametrize("key", ["0.25", "1"])
def test_the_browser_embeds_as_the_server_does(page: Browser, demo: Demo, key: str):
    """Within 1e-5, and as Python does; only the embedding is sent."""
    path = f"/pixels/query/{demo.first}"
    here, there, sent = page.driver.execute_async_script(EMBED, key, path)
    assert len(here) == 8
    assert sent == 4 * 8
    np.testing.assert_allclose(here, there, atol=1e-5, rtol=0)
    vectors = embed_split(demo.exhibits.models[key].embedder, demo.exhibits.prepared, "query")
    np.testing.assert_allclose(here, vectors[demo.first], atol=1e-5, rtol=0)


def test_a_known_query_finds_its_identity_first(page: Browser, demo: Demo):
    """The hits on the page are those of Python, and the first is marked as right."""
    choose_query(page, demo.first)
    vectors = embed_split(demo.exhibits.models["0.25"].embedder, demo.exhibits.prepared, "query")
    choose_width(page, "0.25")
    answer = demo.exhibits.search(vectors[demo.first], demo.first)
    shown = page.run("return [...document.querySelectorAll('#hits img')].map(one => one.src)")
    places = [int(re.search(r"(\d+)\.png", source)[1]) for source in shown]
    assert places == [hit.image for hit in answer.hits]
    assert page.texts("//ol[@id='hits']/li[1]//*[@class='tick']") == ["✓"]
    assert page.texts("//ol[@id='hits']/li[1]//*[@class='score']") == [
        f"{answer.hits[0].score:.3f}"
    ]
    assert "has rank 1." in page.find("//p[@id='verdict']").text
    steps = page.find("//dl[@id='steps']").text
    assert "32 B" in steps
    assert "in this browser" in steps


def choose_query(page: Browser, place: int) -> None:
    """Look for a test query among all and click on it."""
    query = f"return document.querySelector(`[name=query][value='{place}']`)"
    while not page.run(query):
        page.click("//button[@id='more']")
    page.run(f"{query}.click()")
    wait_until_done(page, f"Test query {place}")


def choose_width(page: Browser, key: str) -> None:
    """Click on a width."""
    page.run("document.querySelector(`[name=width][value='${arguments[0]}']`).click()", key)


def test_a_photograph_is_embedded_and_answered(page: Browser, demo: Demo):
    """It is ranked like the test image that it is, without a claim about who it shows."""
    page.driver.find_element(By.ID, "file").send_keys(str(demo.photograph))
    wait_until_done(page, demo.photograph.name)
    vectors = embed_split(demo.exhibits.models["0.25"].embedder, demo.exhibits.prepared, "query")
    choose_width(page, "0.25")
    answer = demo.exhibits.search(vectors[demo.first], None)
    shown = page.run("return document.querySelector('#hits img').src")
    assert shown.endswith(f"/pictures/gallery/{answer.hits[0].image}.png")
    assert page.texts("//*[@class='tick']") == []
    rows = page.texts("//div[@id='compare']//*[@data-name='As the full model']")
    assert rows[-1] == "10 of 10"


def test_the_last_of_many_queries_is_answered(page: Browser):
    """However fast they are chosen, in whatever order their pixels come."""
    page.run("for (const one of document.querySelectorAll('[name=query]')) one.click()")
    wait_until_done(page, "Test query 30")
    assert page.find("//p[@id='caption']").text.startswith("Test query 30")
    assert page.run("return document.querySelector('[name=query]:checked').value") == "30"


def test_a_hostile_file_is_refused_on_the_page(page: Browser, tmp_path: Path):
    """The sentence is shown, and the answer before it stays."""
    file = tmp_path / "picture.jpg"
    file.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    page.driver.find_element(By.ID, "file").send_keys(str(file))
    page.wait_for_text("must be a whole JPEG, PNG, WebP or BMP image")
    assert len(page.texts("//ol[@id='hits']/li")) == 24
    entries = page.driver.get_log("browser")  # Chromium's own line about the status
    assert [re.search(r"status of (\d+)", entry["message"])[1] for entry in entries] == ["400"]


def test_the_keyboard_is_enough(page: Browser):
    """Arrows move through queries and widths; each control shows that it has the focus."""
    press(page, Keys.TAB)
    assert page.run("return document.activeElement.name") == "query"
    press(page, Keys.ARROW_RIGHT)
    wait_until_done(page, "Test query 2")  # every other one is shown
    names = []
    for _ in range(3):
        press(page, Keys.TAB)
        outline = """
            const ring = document.activeElement.closest('label') ?? document.activeElement
            return getComputedStyle(ring).outlineStyle"""
        assert page.run(outline) == "solid"
        names.append(page.run("const one = document.activeElement; return one.name || one.id"))
    assert names == ["more", "file", "width"]
    press(page, Keys.ARROW_LEFT)
    assert page.run("return document.querySelector('[name=width]:checked').value") == "0.25"
    page.wait_for_text("Query by width 1/4")


def press(page: Browser, key: str) -> None:
    """Press a key where the focus is."""
    ActionChains(page.driver).send_keys(key).perform()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_fits_the_screen(page: Browser, size: tuple[int, int], scheme: str):
    """Nothing is wider, and text stands out from its ground, in light and dark."""
    page.resize(*size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    root = "const root = document.documentElement; "
    assert page.run(f"{root} return root.scrollWidth <= root.clientWidth")
    outside = page.run(f"""{root}
        const all = [...document.body.querySelectorAll('*')]
        const isOutside = one => one.getBoundingClientRect().right > root.clientWidth + 1
        return all.filter(isOutside).map(one => one.outerHTML)""")
    assert outside == []
    for selector in ("h1", "#about", "#steps dt", "#steps dd", "#verdict", ".score", ".widths b"):
        assert contrast(page, selector) >= 4.5, selector


def contrast(page: Browser, selector: str) -> float:
    """Return the contrast of a text with the page (WCAG 2.2)."""
    colours = page.run(
        "const one = document.querySelector(arguments[0]);"
        "return [getComputedStyle(one).color, getComputedStyle(document.body).backgroundColor]",
        selector,
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(r, g, b)`."""
    values = np.array(re.findall(r"\d+", colour)[:3], dtype=float) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_without_a_runtime_the_server_embeds_and_the_page_says_so(tmp_path: Path, demo: Demo):
    """The hits are the same."""
    browser = Browser(tmp_path / "profile")
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/runtime/*"]})
    browser.driver.get(demo.address)
    wait_until_done(browser, "Test query 0")
    browser.wait_for_text("did not start in this browser, so the server embeds the query.")
    assert "on the server" in browser.find("//dl[@id='steps']").text
    vectors = embed_split(demo.exhibits.models["0.25"].embedder, demo.exhibits.prepared, "query")
    choose_width(browser, "0.25")
    shown = browser.run("return document.querySelector('#hits img').src")
    expected = demo.exhibits.search(vectors[0], 0).hits[0].image
    assert shown.endswith(f"/pictures/gallery/{expected}.png")
    browser.driver.quit()
