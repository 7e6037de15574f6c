"""A person's look at a finished study, in Chromium: MLflow's pages and the two reports."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from browser import CHROMEDRIVER, CHROMIUM, DESKTOP, PATIENCE, PHONE, Browser
from selenium.webdriver.common.keys import Keys

from workspaces import ROOT, Workspace

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its driver: tests/system/install.sh"
)

OF_MLFLOW = (
    r"/mlflow/users/current - .* 404",  # asked of every server; one without accounts has no users
    r"ResizeObserver loop completed",  # a frame in which its table was not laid out to the end
)
"""Errors in the console that MLflow's own interface leaves there, whatever the store holds."""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser that nobody used before."""
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose study is complete, its Snakemake report included."""
    workspace = Workspace.make(tmp_path_factory.mktemp("study"))
    for arguments in (["--", "all"], ["--report", "report.html"]):
        result = workspace.run(*arguments)
        assert result.returncode == 0, result.stdout
    return workspace


@pytest.fixture(scope="module")
def interface(study: Workspace) -> Iterator[str]:
    """The address of MLflow's interface, started by the recipe of `make ui` alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "make", "--file", str(ROOT / "Makefile"), "--old-file", ".venv/.ready",
        f"BIN={Path(sys.executable).parent}", f"PORT={port}", "ui",
    ]  # fmt: skip
    environment = study.environment()
    environment.pop("DO_NOT_TRACK", None)  # the recipe must say so by itself
    with (study.folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=study.folder, env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, process, study.folder / "ui.log")
        yield address
    finally:
        study.kill_group(process)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server says that it is well."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(log.read_text())


def test_a_run_is_found_in_mlflow_with_its_curves_and_artifacts(
    browser: Browser, interface: str, study: Workspace
):
    """By study, method and seed, as a person would; nothing is asked of another host."""
    browser.driver.get(interface)
    browser.click("//*[@role='button'][normalize-space()='Model training']")
    browser.click("//a[normalize-space()='Experiments']")
    browser.click("//a[normalize-space()='sfsc/tiny']")
    find_run(browser)
    assert browser.find(f"{parameter('train.epochs')}/*[2]").text == "3"
    assert browser.find(f"{parameter('loss.terms.compatible.weight')}/*[2]").text == "1.0"
    look_at_a_curve(browser)
    look_at_artifacts(browser, study)
    assert browser.hosts() == {urlparse(interface).netloc}
    errors = browser.errors()
    assert not [error for error in errors if not re.search("|".join(OF_MLFLOW), error)]


def find_run(browser: Browser) -> None:
    """Search the experiment's runs for one training, unfold its parent and open it."""
    search = browser.find("//input[contains(@placeholder, 'metrics.rmse')]")
    wanted = "tags.study = 'tiny' and tags.method = 'sfsc' and tags.seed = '0'"
    search.send_keys(f"{wanted} and tags.variation IS NULL", Keys.ENTER)
    row = "//*[contains(@class, 'ag-row')]"
    links = f"{row}//a[contains(@href, '/runs/')]"
    browser.until(lambda: browser.texts(links) == ["synthetic/sfsc"], "one run, not yet unfolded")
    browser.click(f"{row}//button[.//*[name()='svg']]")
    browser.click(f"{links}[normalize-space()='synthetic/sfsc/seed0']")


def parameter(name: str) -> str:
    """Return the path of a row in the table of parameters."""
    return f"//*[@role='row'][*[1][normalize-space()='{name}']]"


def look_at_a_curve(browser: Browser) -> None:
    """See that a loss of the smallest sub-model is drawn as a line of many points."""
    browser.click("//*[@role='tab'][normalize-space()='Model metrics']")
    browser.wait_for_text("synthetic/sfsc/seed0 (base_loss/switch0)")
    line = "return document.querySelector('.js-plotly-plot path.js-line')?.getAttribute('d') ?? ''"
    browser.until(lambda: len(re.split("[ML]", browser.run(line))) > 10, "a line")


def look_at_artifacts(browser: Browser, study: Workspace) -> None:
    """See the matrix as the pipeline wrote it, and a figure with the parent run."""
    browser.click("//*[@role='tab'][normalize-space()='Artifacts']")
    browser.click("//*[text()='matrix.json']")
    test = study.folder / "results/tiny/synthetic/sfsc/seed0/cross_test.json"
    for row in json.loads(test.read_text())["matrices"]["map_step"]:
        for value in row:
            browser.wait_for_text(str(value))
    browser.click("//*[@role='tab'][normalize-space()='Overview']")
    browser.click("//a[normalize-space()='synthetic/sfsc']")
    browser.click("//*[@role='tab'][normalize-space()='Artifacts']")
    browser.click("//*[text()='figures']")
    browser.click("//*[text()='synthetic_cross_test.png']")
    widths = "return [...document.images].map(image => image.naturalWidth)"
    browser.until(lambda: max(browser.run(widths), default=0) > 1000, "the figure")


@pytest.fixture
def report(browser: Browser, study: Workspace) -> Browser:
    """The study's report, opened as a file, with everything that can be unfolded unfolded."""
    page = study.folder / "reports/tiny/index.html"
    browser.driver.get(page.as_uri())
    browser.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    return browser


def test_the_report_is_complete_without_any_host(report: Browser, study: Workspace):
    """Every picture is shown, every link leads somewhere, and the console is empty."""
    sizes = report.run("return [...document.images].map(one => one.complete && one.naturalWidth)")
    assert len(sizes) == 11  # ten figures and the contact sheet
    assert all(sizes)
    links = report.run("return [...document.links].map(one => one.getAttribute('href'))")
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert {"synthetic", "cost", "provenance"} <= anchors
    assert all(report.run("return document.getElementById(arguments[0])", one) for one in anchors)
    files = [link for link in links if not link.startswith("#")]
    assert all((study.folder / "reports/tiny" / file).is_file() for file in files)
    assert len(files) > 2 * 10  # two of each figure, tables, claims
    assert report.hosts() == set()
    assert report.driver.get_log("browser") == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_report_is_no_wider_than_the_screen(report: Browser, size: tuple[int, int]):
    """What is wide scrolls in a box of its own, which a keyboard reaches, too."""
    report.resize(*size)
    page = "const page = document.documentElement; "
    assert report.run(f"{page} return page.clientWidth") in {size[0], size[0] - 15}  # scroll bar
    assert report.run(f"{page} return page.scrollWidth <= page.clientWidth")
    outside = report.run(f"""{page}
        const isOutside = one => one.getBoundingClientRect().right > page.clientWidth + 1
        const found = [...document.body.querySelectorAll('*')].filter(isOutside)
        return found.filter(one => !one.closest('.scroll')).map(one => one.outerHTML)""")
    assert outside == []
    wide = report.run("""
        const boxes = [...document.querySelectorAll('.scroll')]
        return boxes.filter(one => one.scrollWidth > one.clientWidth).map(one => one.tabIndex)""")
    assert set(wide) <= {0}
    assert size == DESKTOP or len(wide) > 10  # the figures, the tables


def test_the_report_of_snakemake_needs_no_host(browser: Browser, study: Workspace):
    """The workflow's own report opens as a file, with its graph, the run times and the figures."""
    browser.driver.get((study.folder / "report.html").as_uri())
    browser.wait_for_text("Every figure and table is the output of a rule")
    browser.click("//a[normalize-space()='Workflow']")
    assert browser.find("//canvas").size["height"] > 500
    browser.click("//a[normalize-space()='Statistics']")
    charts = "return [...document.querySelectorAll('canvas')].map(chart => chart.clientHeight)"
    browser.until(lambda: len(sizes := browser.run(charts)) == 2 and min(sizes) > 300, "charts")
    browser.click("//a[normalize-space()='Figures']")
    browser.wait_for_text("cross_test")
    assert browser.hosts() == set()
    assert browser.errors() == []
