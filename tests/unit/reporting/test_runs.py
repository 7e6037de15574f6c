"""What later stages refuse: result files that are missing, damaged or do not fit each other."""

import json
import re
from pathlib import Path

import pytest
from result_files import write_run

from sfsc.errors import ResultError
from sfsc.reporting.runs import load_groups, load_one_dataset


def refuse(folders: list[Path], message: str) -> None:
    """Assert that the folders are refused with exactly this sentence."""
    with pytest.raises(ResultError, match=f"^{re.escape(message)}$"):
        load_one_dataset(folders)


def test_methods_keep_the_order_of_the_folders_and_seeds_ascend(tmp_path: Path):
    """Data set by data set, whatever the order of the seeds."""
    folders = [
        write_run(tmp_path, dataset=dataset, method=method, seed=seed)
        for seed in (1, 0)
        for dataset in ("omniglot", "synthetic")
        for method in ("sfsc", "bct_s")
    ]
    found = [(group.dataset, group.method, group.seeds) for group in load_groups(folders)]
    assert found == [
        ("omniglot", "sfsc", (0, 1)),
        ("omniglot", "bct_s", (0, 1)),
        ("synthetic", "sfsc", (0, 1)),
        ("synthetic", "bct_s", (0, 1)),
    ]


def test_a_run_that_was_not_evaluated_is_refused(tmp_path: Path):
    """The sentence names the file and the mend."""
    folder = write_run(tmp_path)
    path = folder / "cross_test.json"
    path.unlink()
    refuse(
        [folder],
        f"{path} must be readable. Found: [Errno 2] No such file or directory: '{path}'. "
        "Evaluate it again.",
    )


def test_a_record_without_a_key_is_refused(tmp_path: Path):
    """Say, one of an older version."""
    folder = write_run(tmp_path)
    path = folder / "run.json"
    record = json.loads(path.read_text())
    del record["macs"]
    path.write_text(json.dumps(record))
    refuse([folder], f"{path} must have the key `macs`. Found it missing. Train it again.")


def test_matrices_that_do_not_fit_the_widths_are_refused(tmp_path: Path):
    """The two files of a run are of the same network."""
    folder = write_run(tmp_path)
    path = folder / "cross_test.json"
    test = json.loads(path.read_text())
    test["matrices"]["minp"] = [[0.5]]
    path.write_text(json.dumps(test))
    refuse(
        [folder],
        f"{path} must hold 4 x 4 matrices, one row for each width of run.json. "
        "Found `minp` of shape (1, 1). Evaluate it again.",
    )


def test_seeds_with_different_widths_are_refused(tmp_path: Path):
    """Their matrices have no mean."""
    first = write_run(tmp_path)
    second = write_run(tmp_path, method="unified", seed=1)
    record = json.loads((second / "run.json").read_text())
    (second / "run.json").write_text(json.dumps({**record, "method": "sfsc"}))
    refuse(
        [first, second],
        "All seeds of `sfsc` on `synthetic` must have the same widths. Found "
        f"[0.125, 0.25, 0.5, 1.0] in {first} and [0.125] in {second}.",
    )


def test_a_seed_given_twice_is_refused(tmp_path: Path):
    """It would count twice."""
    folder = write_run(tmp_path)
    refuse(
        [folder, folder],
        "Each seed of `sfsc` on `synthetic` must be given once. "
        f"Found seed 0 twice, the second time in {folder}.",
    )


def test_two_definitions_of_average_precision_are_refused(tmp_path: Path):
    """Their numbers cannot be compared."""
    first, second = write_run(tmp_path), write_run(tmp_path, method="bct_s")
    test = json.loads((second / "cross_test.json").read_text())
    (second / "cross_test.json").write_text(
        json.dumps({**test, "average_precision": "trapezoidal"})
    )
    refuse(
        [first, second],
        "All runs must be evaluated with one definition of average precision. Found "
        f"`step` in {first} and `trapezoidal` in {second}. Evaluate them again.",
    )


def test_a_figure_of_two_data_sets_is_refused(tmp_path: Path):
    """One figure, one data set."""
    folders = [write_run(tmp_path, dataset=name) for name in ("synthetic", "omniglot")]
    refuse(folders, "A figure must have runs of one data set. Found omniglot, synthetic.")


def test_no_runs_are_refused():
    """There is nothing to show."""
    refuse([], "A table or figure must have at least one run. Found none.")
