"""Result files that are missing, damaged or do not fit each other are refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from result_files import ABLATION, METHODS, rerank, small_job, write_run, write_study

from sfsc.errors import ResultError
from sfsc.reporting.runs import Results, load_results, load_run


def refuse(root: Path, message: str, **changes: object) -> None:
    """Assert that the runs of `sfsc` are refused with exactly this sentence."""
    job = small_job("sfsc", **({"seeds": (0,)} | changes))
    with pytest.raises(ResultError, match=f"^{re.escape(message)}$"):
        Results(job, root, "synthetic").group("sfsc")


def test_runs_are_found_by_data_set_name_and_seed(tmp_path: Path):
    """In the order of the study, with seeds ascending."""
    job = small_job("sfsc", "bct_s", datasets=("omniglot", "synthetic"), seeds=(1, 0))
    write_study(tmp_path, job)
    found = [
        (group.dataset, group.method, group.seeds)
        for of_set in load_results(job, tmp_path)
        for group in of_set.compared()
    ]
    assert found == [
        ("omniglot", "sfsc", (0, 1)),
        ("omniglot", "bct_s", (0, 1)),
        ("synthetic", "sfsc", (0, 1)),
        ("synthetic", "bct_s", (0, 1)),
    ]


def test_an_ablation_follows_the_compared_rows(results: Results):
    """A condition that is a compared row is there once."""
    added = [run for run in ABLATION["parts"].values() if run not in METHODS]
    methods = [group.method for group in results.compared_and("parts")]
    assert methods == [*METHODS, *added]
    assert [group.method for group in results.compared_and("none such")] == list(METHODS)
    assert "sfsc@parts=without_projection" in results
    assert "sfsc@parts=without_everything" not in results


def test_the_values_of_the_queries_are_those_of_the_matrix(results: Results):
    """`map` is the definition that the study reports."""
    run = results.group("bct_s").runs[0]
    assert run.queries("map").mean(axis=-1) == pytest.approx(run.matrix("map"))
    assert np.array_equal(run.matrix("map"), run.matrix("map_step"))


@pytest.mark.parametrize("damage", ["missing", "nameless", "of other queries"])
def test_query_metrics_that_do_not_fit_are_refused(damage: str, tmp_path: Path):
    """The sentence names the file and the mend."""
    folder = write_run(tmp_path)
    path = folder / "query_metrics.safetensors"
    metric = "map"
    if damage == "missing":
        path.unlink()
        found = f"No such file or directory: {path}"
    elif damage == "nameless":
        metric = "cmc_7"
        found = "'cmc_7'"
    else:
        test = json.loads((folder / "cross_test.json").read_text())
        (folder / "cross_test.json").write_text(json.dumps(test | {"n_skipped_queries": 3}))
    with pytest.raises(ResultError) as error:
        load_run(folder).queries(metric)
    if damage == "of other queries":
        expected = (
            f"{path} must have the shape (4, 4, 37): sub-models of run.json, valid queries of "
            "cross_test.json. Found (4, 4, 40). Evaluate it again."
        )
    else:
        expected = f"{path} must hold the metrics of each query. Found: {found}. Evaluate it again."
    assert str(error.value) == expected


def test_settings_have_the_names_of_params_yaml(tmp_path: Path):
    """Dotted keys; a part's own key has its name. Data set, method and seed are no settings."""
    settings = load_run(write_run(tmp_path)).settings
    assert settings["loss.base"] == "softmax"
    assert settings["loss.terms.compatible"] == "compatible"
    assert settings["loss.terms.compatible.kl.weight"] == 0.0005
    assert settings["train.epochs"] == 20
    assert all("." in key or key == "aggregation" for key in settings)


def test_settings_that_no_training_has_are_refused(tmp_path: Path):
    """They may be those of an older version."""
    folder = write_run(tmp_path)
    path = folder / "run.json"
    record = json.loads(path.read_text())
    record["settings"]["network"]["pooling"] = "none"
    path.write_text(json.dumps(record))
    with pytest.raises(ResultError) as error:
        _ = load_run(folder).settings
    first, problem, mend = str(error.value).splitlines()
    assert first == f"{path}: settings is not valid (1 problem):"
    assert "`network.pooling`" in problem
    assert mend == "Train it again."


def test_a_run_that_was_not_evaluated_is_refused(tmp_path: Path):
    """The sentence names the file and the mend."""
    folder = write_run(tmp_path)
    path = folder / "cross_test.json"
    path.unlink()
    refuse(
        tmp_path,
        f"{path} must be readable. Found: [Errno 2] No such file or directory: '{path}'. "
        "Evaluate it again.",
    )


def test_a_record_without_a_key_is_refused(tmp_path: Path):
    """The record may be one of an older version."""
    folder = write_run(tmp_path)
    path = folder / "run.json"
    record = json.loads(path.read_text())
    del record["macs"]
    path.write_text(json.dumps(record))
    refuse(tmp_path, f"{path} must have the key `macs`. Found it missing. Train it again.")


def test_matrices_that_do_not_fit_the_widths_are_refused(tmp_path: Path):
    """The two files of a run are of the same network."""
    folder = write_run(tmp_path)
    path = folder / "cross_test.json"
    test = json.loads(path.read_text())
    test["matrices"]["minp"] = [[0.5]]
    path.write_text(json.dumps(test))
    refuse(
        tmp_path,
        f"{path} must hold 4 x 4 matrices, one row for each width of run.json. "
        "Found `minp` of shape (1, 1). Evaluate it again.",
    )


def test_seeds_with_different_widths_are_refused(tmp_path: Path):
    """Their matrices have no mean."""
    first = write_run(tmp_path)
    second = write_run(tmp_path / "other", method="unified", seed=1)
    second = second.rename(first.with_name("seed1"))
    refuse(
        tmp_path,
        "All seeds of `sfsc` on `synthetic` must have the same widths. Found "
        f"[0.125, 0.25, 0.5, 1.0] in {first} and [0.125] in {second}.",
        seeds=(0, 1),
    )


def test_re_ranked_and_plain_tests_are_refused(tmp_path: Path):
    """Their numbers cannot be compared."""
    first, second = write_run(tmp_path), write_run(tmp_path, seed=1)
    rerank(second)
    refuse(
        tmp_path,
        f"All runs must be evaluated with one re-ranking. Found none in {first} and k1 20, k2 6, "
        f"lambda 0.3 in {second}. Evaluate them again.",
        seeds=(0, 1),
    )


def test_two_definitions_of_average_precision_are_refused(tmp_path: Path):
    """Their numbers cannot be compared, also when they are read one after the other."""
    first, second = write_run(tmp_path), write_run(tmp_path, method="bct_s")
    test = json.loads((second / "cross_test.json").read_text())
    (second / "cross_test.json").write_text(
        json.dumps({**test, "average_precision": "trapezoidal"})
    )
    results = Results(small_job("sfsc", "bct_s", seeds=(0,)), tmp_path, "synthetic")
    results.group("sfsc")
    with pytest.raises(ResultError) as error:
        results.group("bct_s")
    assert str(error.value) == (
        "All runs must be evaluated with one definition of average precision. Found "
        f"`step` in {first} and `trapezoidal` in {second}. Evaluate them again."
    )
