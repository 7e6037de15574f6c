"""What validation chooses, and that no test is looked at."""

import csv
import json
from pathlib import Path

import pytest
from result_files import conditions, small_job, write_run, write_study

from sfsc.errors import ResultError
from sfsc.reporting.choices import load_choices, write_choices
from sfsc.settings.jobs import StudyJob

RUNS = {"0": "sfsc@label_smoothing=0", "0.1": "sfsc", "0.2": "sfsc@label_smoothing=0.2"}
JOB = small_job(
    "sfsc",
    "bct_s",
    datasets=("synthetic", "omniglot"),
    search={
        "label_smoothing": conditions("sfsc", RUNS),
        "smoothing_of_bct_s": conditions("bct_s", {"0.1": "bct_s"}),
    },
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A search without any test: only `run.json` is there."""
    root = write_study(tmp_path / "results", JOB)
    for pattern in ("cross_test.json", "query_metrics.safetensors", "training.parquet"):
        for path in root.glob(f"*/*/*/{pattern}"):
            path.unlink()
    return root


def set_validation(folder: Path, last: float) -> None:
    """Let a training end at a validation mAP, after a higher one."""
    path = folder / "run.json"
    record = json.loads(path.read_text())
    entries = [{"epoch": 10, "average_map": 0.99}, {"epoch": 20, "average_map": last}]
    path.write_text(json.dumps(record | {"validation": entries}))


def test_candidates_are_compared_by_their_mean_over_data_sets_and_seeds(root: Path, tmp_path: Path):
    """At the end of training, not at its best epoch; each search chooses for itself."""
    levels = {
        ("synthetic", "0"): 0.9, ("omniglot", "0"): 0.5, ("synthetic", "0.1"): 0.6,
        ("omniglot", "0.1"): 0.7, ("synthetic", "0.2"): 0.8, ("omniglot", "0.2"): 0.6,
    }  # fmt: skip
    for (dataset, condition), level in levels.items():
        for seed in (0, 1):
            set_validation(root / dataset / RUNS[condition] / f"seed{seed}", level + 0.02 * seed)
    write_choices(JOB, root, tmp_path / "choices.json")
    ours, theirs = load_choices(tmp_path / "choices.json")
    assert ours["datasets"] == ["synthetic", "omniglot"]
    assert (ours["method"], ours["chosen"]) == ("sfsc", "0")  # the first of the equal ones
    assert ours["chosen_values"] == {"loss.base.label_smoothing": 0.0}
    assert [c["average_map_mean"] for c in ours["candidates"]] == pytest.approx([71, 66, 71])
    assert ours["candidates"][0]["average_map_std"] == pytest.approx(2**0.5, abs=1e-5)
    assert (theirs["method"], theirs["chosen"], theirs["chosen_values"]) == ("bct_s", "0.1", {})
    with (tmp_path / "choices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["is_chosen"] for row in rows] == ["True", "False", "False", "True"]
    markdown = (tmp_path / "choices.md").read_text()
    name = "`base.label_smoothing`"
    assert f"| SFSC | **0** | **71.0 ± 1.4** | 0.0 ± 0.0 | {name} 0 | {name} |" in markdown
    assert f"| SFSC | 0.1 | 66.0 ± 1.4 | 5.0 ± 0.0 | {name} 0.1 |  |" in markdown


@pytest.mark.parametrize(
    ("simpler", "chosen"),
    [((0.88, 0.90, 0.94), "0"), ((0.88, 0.90, 0.91), "0.1"), ((0.91, 0.92, 0.93), "0")],
)
def test_the_simplest_within_a_standard_error_of_the_best_is_chosen(
    simpler: tuple[float, ...], chosen: str, tmp_path: Path
):
    """It is listed first. The best leads it by 0.3 ± 1.2, 1.3 ± 0.3 and 0 points."""
    job = JOB.model_copy(update={"variation_seeds": (0, 1, 2), "seeds": (0, 1, 2)})
    job = job.model_copy(update={"datasets": ("synthetic",)})
    root = write_study(tmp_path / "results", job)
    for seed, level in enumerate(simpler):
        for run, value in zip(RUNS.values(), (level, 0.9 + 0.01 * seed, 0.5), strict=True):
            set_validation(root / "synthetic" / run / f"seed{seed}", value)
    write_choices(job, root, tmp_path / "choices.json")
    choice = load_choices(tmp_path / "choices.json")[0]
    assert choice["chosen"] == chosen


def test_methods_of_one_search_get_the_same_candidate(tmp_path: Path):
    """Here the one that is best on average, though SFSC alone would choose another."""
    runs = {"0": "bct_s@label_smoothing=0", "0.1": "bct_s", "0.2": "bct_s@label_smoothing=0.2"}
    both = (*conditions("sfsc", RUNS), *conditions("bct_s", runs))
    job = JOB.model_copy(update={"datasets": ("synthetic",), "search": {"recipe": both}})
    root = write_study(tmp_path / "results", job)
    levels = {"sfsc": (0.60, 0.64, 0.66), "bct_s": (0.40, 0.52, 0.46)}
    for own, names in ((levels["sfsc"], RUNS), (levels["bct_s"], runs)):
        for run, level in zip(names.values(), own, strict=True):
            for seed in (0, 1):
                set_validation(root / "synthetic" / run / f"seed{seed}", level + 0.02 * seed)
    write_choices(job, root, tmp_path / "choices.json")
    ours, theirs = load_choices(tmp_path / "choices.json")
    assert (ours["method"], theirs["method"]) == ("sfsc", "bct_s")
    assert ours["chosen"] == theirs["chosen"] == "0.1"
    for choice in (ours, theirs):
        assert [c["lead"] for c in choice["candidates"]] == pytest.approx([8, 0, 2])
    assert [c["average_map_mean"] for c in ours["candidates"]] == pytest.approx([61, 65, 67])


def test_one_seed_has_no_standard_error(tmp_path: Path):
    """The best is chosen, however close the others are."""
    job = JOB.model_copy(update={"variation_seeds": (0,), "datasets": ("synthetic",)})
    root = write_study(tmp_path / "results", job)
    for run, value in zip(RUNS.values(), (0.7, 0.71, 0.6), strict=True):
        set_validation(root / "synthetic" / run / "seed0", value)
    write_choices(job, root, tmp_path / "choices.json")
    choice = load_choices(tmp_path / "choices.json")[0]
    assert (choice["chosen"], choice["on_border"]) == ("0.1", [])
    assert {candidate["lead_error"] for candidate in choice["candidates"]} == {None}
    assert (
        "| SFSC | 0 | 70.0 | 1.0 | `base.label_smoothing` 0 |  |"
        in (tmp_path / "choices.md").read_text()
    )


def test_a_study_without_a_search_says_so(job: StudyJob, study: Path, tmp_path: Path):
    """The files are there all the same."""
    write_choices(job.model_copy(update={"search": {}}), study, tmp_path / "choices.json")
    assert load_choices(tmp_path / "choices.json") == []
    assert (tmp_path / "choices.md").read_text() == "This study searches nothing.\n"


def test_a_record_that_is_missing_is_refused(tmp_path: Path):
    """Not counted as nothing."""
    write_run(tmp_path, method="sfsc")
    with pytest.raises(ResultError, match=r"run\.json must be readable"):
        write_choices(JOB, tmp_path, tmp_path / "choices.json")


def test_a_damaged_file_is_refused(tmp_path: Path):
    """The sentence names the stage that writes it."""
    path = tmp_path / "choices.json"
    path.write_text("[")
    with pytest.raises(ResultError, match=r"choices\.json must be written by `sfsc choices`"):
        load_choices(path)
