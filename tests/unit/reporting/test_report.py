"""The page: complete, offline, accessible."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from result_files import small_job, write_measured, write_study

from sfsc.errors import ResultError
from sfsc.reporting.choices import write_choices
from sfsc.reporting.claims import write_claims
from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.drawing import write_figures
from sfsc.reporting.report import write_report
from sfsc.reporting.tables.cost import write_cost
from sfsc.reporting.tables.write import write_tables
from sfsc.settings.jobs import StudyJob


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
def report(job: StudyJob, study: Path, reports: Path) -> Path:
    """The page of the made-up study with one figure and a contact sheet."""
    sheet = reports / "prepared" / "synthetic" / "contact_sheet.png"
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(b"not really a PNG")
    figure = reports / "figures" / "synthetic_cross_test.svg"
    write_figures(
        ["cross_test"], job, study, dataset="synthetic", output=figure.parent, data_dir=None
    )
    write_choices(job, study, reports / "choices.json")
    write(job, study, reports, figures=[figure], sheets=[sheet], choices=[reports / "choices.json"])
    return reports / "index.html"


def write(job: StudyJob, study: Path, reports: Path, **options: Any) -> None:
    """Write the page of some reports."""
    paths: dict[str, Any] = {
        "tables": reports / "tables", "claims": reports / "claims.json", "figures": [],
        "sheets": [], "choices": [], "output": reports / "index.html",
        "cost": reports / "cost.csv",
    }  # fmt: skip
    write_report(job, study, **paths | options)


def test_every_reference_is_beside_the_page_or_in_it(report: Path):
    """No request goes to any host, and no link is broken."""
    page = Page(report.read_text())
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        elif not reference.startswith("data:"):
            assert (report.parent / reference).is_file()
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", report.read_text())


def test_every_image_has_an_alternative_text(report: Path):
    """For readers who cannot see it."""
    images = Page(report.read_text()).images
    assert len(images) == 2
    assert all(image["alt"] for image in images)


def test_the_page_shows_numbers_captions_and_provenance(report: Path, job: StudyJob):
    """All methods, verdicts, variations, choices, the protocol, and where every number is from."""
    text = " ".join(report.read_text().split())
    n_runs = sum(len(seeds) for seeds in job.runs().values())
    n_conditions = len(job.runs()) - len(job.compare)
    for words in (
        "BCT-S (classifier moved by all)", "SFSC (ours)", "step definition", "Contact sheet",
        "<b>Figure 1.</b> Mean average precision", "0123456789abcdef", "c" * 12, "e" * 64,
        f"{n_runs} runs of 9 compared methods and {n_conditions} further conditions",
        "Trained on 2 CPUs, float32.",
        "SFSC minus BCT-S", "<b>C7</b>", "Ablation", "synthetic: parts", "Robustness",
        "synthetic: KL weight", "Where gradients conflict", "synthetic: compared",
        "How hyper-parameters were chosen",
        "<code>submodels.classifier_gradient</code>",
    ):  # fmt: skip
        assert words in text
    assert "`" not in text


def test_a_number_and_its_spread_are_not_broken(report: Path):
    """On a phone a cell has two lines: the number, and its deviation or interval."""
    cells = re.findall(r"<td[^>]*>([^<]+)</td>", report.read_text())
    for sign in ("±", "→", ","):
        assert any(f"{sign}\N{NO-BREAK SPACE}" in cell for cell in cells), sign
    assert not any(re.search(r"± \d|\d → \d|\[\S+, ", cell) for cell in cells)
    assert not re.search(r"\bp (=|&lt;) \d", report.read_text())
    assert re.search(r"\bp\N{NO-BREAK SPACE}(=|&lt;)\N{NO-BREAK SPACE}\d", report.read_text())


def test_each_claim_is_a_card_with_its_verdict_and_a_bar(report: Path, reports: Path):
    """The verdict is a word with a mark; tiles count the verdicts; the bar shows the interval."""
    text = report.read_text()
    claims = load_claims(reports / "claims.json")
    cards = re.findall(
        r'<li class="card claim">(.+?)</li>\n(?=<li class="card|</ul>)', text, re.DOTALL
    )
    assert len(cards) == len(claims) == 7
    for card, claim in zip(cards, claims, strict=True):
        assert f"<b>{claim['id']}</b>" in card
        assert f"</span> {claim['verdict']}</span>" in card
        assert ("<svg" in card) == (claim["ci_low"] is not None)
    tiles = re.findall(r'<li class="card"><b>(\d+)</b>', text)
    assert sum(map(int, tiles)) == len(claims)


def test_a_study_that_tests_no_claim_shows_none(job: StudyJob, study: Path, reports: Path):
    """Seven cards that say nothing are no result."""
    claims = [
        claim | {"verdict": "not tested", "comparison": "", "ci_low": None}
        for claim in load_claims(reports / "claims.json")
    ]
    path = reports / "untested" / "claims.json"
    path.parent.mkdir()
    path.write_text(json.dumps(claims))
    write(job, study, reports, claims=path, output=path.with_name("index.html"))
    text = path.with_name("index.html").read_text()
    assert "it tests none of the paper" in text
    assert "not tested" not in text
    assert "claims.md" not in text


def test_an_undecided_claim_shows_the_price_of_a_decision(
    job: StudyJob, study: Path, reports: Path
):
    """On its card, not only in the words behind it."""
    decided = {"more_seeds": None, "more_core_minutes": None}
    first, *others = (claim | decided for claim in load_claims(reports / "claims.json"))
    claims = [first | {"more_seeds": 29, "more_core_minutes": 179.37}, *others]
    path = reports / "undecided" / "claims.json"
    path.parent.mkdir()
    path.write_text(json.dumps(claims))
    write(job, study, reports, claims=path, output=path.with_name("index.html"))
    text = path.with_name("index.html").read_text()
    (price,) = re.findall(r"<p>(A decision about .+)</p>", text)
    assert price == (
        "A decision about 1 point of mAP needs about 29 more seeds, 179 core-minutes; a larger "
        "effect needs fewer."
    )


def test_a_bar_is_centred_on_its_bound(report: Path, reports: Path):
    """Effect and ends of the interval lie to scale, within the picture."""
    text = report.read_text()
    claim = load_claims(reports / "claims.json")[1]
    x1, x2 = map(float, re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="8"', text)[1])
    low, high = (claim[key] - claim["bound"] for key in ("ci_low", "ci_high"))
    assert 0 <= x1 < x2 <= 100
    assert (x1 - 50) / (x2 - 50) == pytest.approx(low / high, rel=0.01)


def test_rows_for_reference_have_a_heading(report: Path):
    """In the deployment tables, of which the first has the unified model, too."""
    tables = re.findall(r'aria-label="Deployment on .+?</table>', report.read_text(), re.DOTALL)
    apart = [table.partition('<th scope="rowgroup">for reference</th>')[2] for table in tables]
    names = [re.findall(r'<th scope="row">.+</span>(.+?)</th>', text) for text in apart]
    assert names == [["Independent", "Unified"], ["Independent"]]


def test_the_page_names_every_device(tmp_path: Path):
    """With the number of its GPUs and the precision; each combination once."""
    job = small_job("unified", "sfsc")
    study = write_study(tmp_path / "results", job)
    change_training(study / "synthetic" / "sfsc" / "seed0", processes=1)
    change_training(study / "synthetic" / "sfsc" / "seed1", processes=2)
    write_tables(job, study, tmp_path / "tables", tmp_path / "metrics.json", [])
    write_claims(job, study, tmp_path / "claims.json")
    write_cost([write_measured(tmp_path / "measured.json")], tmp_path / "cost.csv")
    write(job, study, tmp_path)
    words = "Trained on 2 CPUs, float32; NVIDIA H200, bf16; 2 x NVIDIA H200, bf16."
    assert words in (tmp_path / "index.html").read_text()


def change_training(folder: Path, *, processes: int) -> None:
    """Let a run be one of that many processes on GPUs."""
    record = json.loads((folder / "run.json").read_text())
    record["environment"] |= {"gpu": "NVIDIA H200", "cuda": "13.0"}
    record["settings"]["train"] |= {"device": "cuda", "precision": "bf16", "processes": processes}
    (folder / "run.json").write_text(json.dumps(record))


def test_networks_that_share_no_space_stand_apart(report: Path):
    """The full network alone is no rival: no small platform can run it."""
    before, _, after = report.read_text().partition("For reference, networks that share no space")
    assert before.count("<span>SFSC (ours)</span>") == 1
    assert "<span>Full alone</span>" in after
    assert "<span>Full alone</span>" not in before


def test_the_contents_name_every_figure(report: Path):
    """Each has an anchor."""
    assert '<li><a href="#figure-1">' in report.read_text()
    assert "figure-1" in Page(report.read_text()).ids


def test_the_page_names_the_report_of_snakemake(report: Path):
    """That one has the graph of rules and the run times."""
    assert "<code>snakemake --report report.html</code>" in report.read_text()


def test_the_page_shows_what_submodels_cost(report: Path):
    """A row for each, under a heading that the contents name, and how it was measured."""
    text = report.read_text()
    (section,) = re.findall(r'<section id="cost".+?</section>', text, flags=re.DOTALL)
    assert re.findall(r'<th scope="row">(.+?)</th>', section) == ["1/8", "1/4", "1/2", "1"]
    assert "11,700,000" in section
    assert "A processor, torch 2.13.0, threads: 1" in section
    assert '<a href="#cost">Cost</a>' in text


def test_costs_of_other_data_sets_are_refused(
    job: StudyJob, study: Path, reports: Path, tmp_path: Path
):
    """Page and table must agree."""
    measured = write_measured(tmp_path / "measured.json", dataset="omniglot")
    cost = tmp_path / "cost.csv"
    write_cost([measured], cost)
    with pytest.raises(ResultError) as error:
        write(job, study, reports, cost=cost, output=tmp_path / "index.html")
    assert str(error.value) == (
        f"{cost} must be a table of the study, with rows of synthetic. Found omniglot. Write it "
        "again."
    )


def test_a_study_without_variations_has_no_empty_sections(tmp_path: Path):
    """Nothing is announced that is not there."""
    job = small_job("unified", "sfsc")
    study = write_study(tmp_path / "results", job)
    write_tables(job, study, tmp_path / "tables", tmp_path / "metrics.json", [])
    write_claims(job, study, tmp_path / "claims.json")
    write_cost([write_measured(tmp_path / "measured.json")], tmp_path / "cost.csv")
    write(job, study, tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert "4 runs of 2 compared methods. Trained on" in " ".join(text.split())
    for words in (">Ablation</h3>", ">Robustness</h3>", "How hyper-parameters"):
        assert words not in text


def test_a_table_of_other_runs_is_refused(
    job: StudyJob, study: Path, reports: Path, tmp_path: Path
):
    """Page and table must agree."""
    changed = job.model_copy(update={"compare": ("unified", "sfsc")})
    with pytest.raises(ResultError) as error:
        write(changed, study, reports, output=tmp_path / "index.html")
    found = ", ".join(f"synthetic/{method}" for method in job.compare)
    assert str(error.value) == (
        f"{reports / 'tables' / 'main.csv'} must be a table of the study, with rows of "
        f"synthetic/unified, synthetic/sfsc. Found {found}. Write it again."
    )
    assert not (tmp_path / "index.html").exists()


def test_claims_of_another_data_set_are_refused(
    job: StudyJob, study: Path, reports: Path, tmp_path: Path
):
    """Page and claims must agree."""
    (tmp_path / "claims.json").write_text("[]")
    with pytest.raises(ResultError) as error:
        write(job, study, reports, claims=tmp_path / "claims.json", output=tmp_path / "index.html")
    assert str(error.value) == (
        "The claims must be judged on each data set. Found none on `synthetic`. Write them again."
    )


def test_a_figure_without_words_is_refused(
    job: StudyJob, study: Path, reports: Path, tmp_path: Path
):
    """Nothing is shown without a caption."""
    figures = [tmp_path / "missing.svg"]
    with pytest.raises(ResultError, match=r"missing\.json must hold the words of a figure"):
        write(job, study, reports, figures=figures, output=tmp_path / "index.html")
