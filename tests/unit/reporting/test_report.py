"""The page: complete, offline, accessible."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sfsc.errors import ResultError
from sfsc.reporting.figures import write_figure
from sfsc.reporting.report import paired_differences, write_report
from sfsc.reporting.runs import load_groups
from sfsc.reporting.tables import write_tables


class Page(HTMLParser):
    """Collects what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember references, images and anchors."""
        values = dict(attrs)
        self.references += [v for k, v in attrs if k in {"href", "src", "srcset"} and v]
        if tag == "img":
            self.images.append(values)
        if "id" in values:
            self.ids.append(values["id"])


@pytest.fixture(scope="module")
def report(study: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the made-up study with one figure and a contact sheet."""
    folder = tmp_path_factory.mktemp("reports")
    sheet = folder / "prepared" / "synthetic" / "contact_sheet.png"
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(b"not really a PNG")
    figure = folder / "figures" / "synthetic_cross_test.svg"
    write_figure("cross_test", study, figure, None)
    table = folder / "tables" / "main.csv"
    write_tables(study, table, folder / "metrics.json")
    write_report(
        "toy", study, table=table, figures=[figure], sheets=[sheet], output=folder / "index.html"
    )
    return folder / "index.html"


def test_every_reference_is_beside_the_page_or_in_it(report: Path):
    """No request goes to any host, and no link is broken."""
    page = Page(report.read_text())
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        elif not reference.startswith("data:"):
            assert (report.parent / reference).is_file()
    assert not re.search(r"https?:|//[a-z]|@import|url\(", report.read_text())


def test_every_image_has_an_alternative_text(report: Path):
    """For readers who cannot see it."""
    images = Page(report.read_text()).images
    assert len(images) == 2
    assert all(image["alt"] for image in images)


def test_the_page_shows_numbers_captions_and_provenance(report: Path, study: list[Path]):
    """All methods, the protocol, and where every number is from."""
    text = " ".join(report.read_text().split())
    for words in (
        "BCT-S (classifier moved by all)", "SFSC (ours)", "step definition", "Contact sheet",
        "<b>Figure 1.</b> Mean average precision", "0123456789abcdef", "c" * 12, "e" * 64,
        f"{len(study)} trainings of 5 methods", "Difference to SFSC, seed by seed",
    ):  # fmt: skip
        assert words in text


def test_differences_are_paired_by_seed(study: list[Path]):
    """A seed that only one method has does not count."""
    groups = load_groups([run for run in study if run != study[-1]])  # sfsc loses its last seed
    differences = {d.name: d for d in paired_differences(groups)}
    values = {g.method: 100 * g.runs[0].test["summary"]["average_map"] for g in groups}
    unified = differences["Unified"]
    assert unified.seeds == 1
    assert float(unified.text.replace("−", "-")) == pytest.approx(  # noqa: RUF001
        values["sfsc"] - values["unified"], abs=0.051
    )
    assert paired_differences([g for g in groups if g.method != "sfsc"]) == []


def test_a_table_of_other_runs_is_refused(report: Path, study: list[Path], tmp_path: Path):
    """Page and table must agree."""
    table = report.parent / "tables" / "main.csv"
    with pytest.raises(ResultError, match="must have a row for each method of the given runs"):
        write_report(
            "toy", study[:2], table=table, figures=[], sheets=[], output=tmp_path / "index.html"
        )
    assert not (tmp_path / "index.html").exists()


def test_a_figure_without_words_is_refused(report: Path, study: list[Path], tmp_path: Path):
    """Nothing is shown without a caption."""
    table = report.parent / "tables" / "main.csv"
    with pytest.raises(ResultError, match=r"missing\.json must hold the words of a figure"):
        write_report(
            "toy",
            study,
            table=table,
            figures=[tmp_path / "missing.svg"],
            sheets=[],
            output=tmp_path / "index.html",
        )
