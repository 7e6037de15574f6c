"""The seven claims: what each compares, and the files that say what was found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from result_files import conditions, small_job, write_run, write_study

from sfsc.cli import main
from sfsc.errors import ResultError
from sfsc.reporting.accuracy_claims import accuracy_questions
from sfsc.reporting.claims import load_claims, verdict_tables, write_claims
from sfsc.reporting.runs import Results, load_run
from sfsc.reporting.training_claims import (
    conflict_share,
    norm_imbalance,
    opposed_share,
    smallest_share,
    training_questions,
    uncertainty_gap,
    whole_conflict_shares,
)
from sfsc.reporting.verdicts import Question
from sfsc.settings.jobs import StudyJob

KEYS = (
    "id", "dataset", "statement", "comparison", "effect", "ci_low", "ci_high", "unit", "bound",
    "p_value", "n_seeds", "test", "verdict", "explanation", "parts",
)  # fmt: skip


@pytest.fixture(scope="module")
def claims(reports: Path) -> dict[str, Any]:
    """The study's claims by their names."""
    return {entry["id"]: entry for entry in load_claims(reports / "claims.json")}


def ask(results: Results) -> dict[str, Question]:
    """Return all questions by their names."""
    questions = [*accuracy_questions(results), *training_questions(results)]
    return {question.id: question for question in questions}


def names(question: Question) -> list[str]:
    """Return what a claim compares."""
    return [part.name for part in question.parts]


def test_every_claim_has_an_entry_with_all_keys(claims: dict[str, Any]):
    """In order; the claim's numbers are those of its hardest part."""
    assert list(claims) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    for entry in claims.values():
        assert tuple(entry) == KEYS
        parts = {part["name"]: part for part in entry["parts"]}
        hardest = parts[entry["comparison"]]
        assert all(entry[key] == hardest[key] for key in ("effect", "ci_low", "ci_high"))
        assert entry["p_value"] >= hardest["p_value"]
        assert entry["ci_low"] <= entry["effect"] <= entry["ci_high"]


def test_what_each_claim_compares(results: Results):
    """All rows of the family that the study has."""
    questions = ask(results)
    assert names(questions["C1"]) == ["SFSC minus Unified"]
    assert names(questions["C2"]) == ["SFSC minus BCT", "SFSC minus Asymmetric"]
    assert names(questions["C3"]) == ["SFSC minus BCT-S", "SFSC minus Asymmetric-S"]
    assert names(questions["C4"]) == [
        "SFSC minus SFSC without the compatible loss",
        "SFSC minus SFSC without the projection",
    ]
    assert [part.bound for part in questions["C5"].parts] == [1, 0, 0.1, 0, 0]
    assert names(questions["C6"]) == ["SFSC minus BCT-S, mean over 7 conditions"]
    assert [condition.name for condition in questions["C6"].conditions] == [
        *(f"SFSC minus BCT-S, KL weight: {v}" for v in ("0", "5e-05", "0.0005", "0.005", "0.05")),
        "SFSC minus BCT-S, base loss: ArcFace",
        "SFSC minus BCT-S, base loss: circle triplet",
    ]
    assert [part.bound for part in questions["C7"].parts] == [0, 0, -1, -1, -1, -1]
    assert not any(question.missing for question in questions.values())


def test_the_effects_are_those_of_the_matrices(claims: dict[str, Any], results: Results):
    """C1: average mAP minus the unified self-test; C7: self-test minus the twin's; in points."""
    values = {name: results.group(name).map_percent for name in ("sfsc", "unified", "independent")}
    gap = values["sfsc"].mean() - values["unified"].mean()
    assert claims["C1"]["effect"] == pytest.approx(gap, abs=1e-3)
    assert "The effect is below the paper's 6 to 8 points." in claims["C1"]["explanation"]
    twin = (values["sfsc"] - values["independent"])[:, 1, 1].mean()
    part = claims["C7"]["parts"][3]
    assert part["name"] == "Self-test at width 1/4 minus its independent twin's"
    assert part["effect"] == pytest.approx(twin, abs=1e-3)


def test_the_pooled_effect_is_the_mean_over_conditions(claims: dict[str, Any]):
    """Each condition counts alike."""
    pooled, *conditions = claims["C6"]["parts"]
    mean = np.mean([condition["effect"] for condition in conditions])
    assert pooled["effect"] == pytest.approx(mean, abs=1e-3)
    assert "SFSC is ahead of BCT-S under 7 of 7 conditions." in claims["C6"]["explanation"]


def test_variants_belong_to_their_family(tmp_path: Path):
    """A row of a loss more is one more comparison; -S rows are C3's."""
    job = small_job("bct", "asymmetric_triplet", "bct_s", "asymmetric_s", "asymmetric_s_regression",
                    "sfsc")  # fmt: skip
    questions = ask(Results(job, write_study(tmp_path, job), "synthetic"))
    assert len(names(questions["C2"])) == 2
    assert len(names(questions["C3"])) == 3
    assert questions["C2"].missing == questions["C3"].missing == ()


def test_what_a_study_lacks_is_named(tmp_path: Path):
    """A claim without its methods is not tested."""
    job = small_job("unified", "sfsc")
    write_claims(job, write_study(tmp_path / "results", job), tmp_path / "claims.json")
    claims = {entry["id"]: entry for entry in load_claims(tmp_path / "claims.json")}
    lacks = {
        "C2": "`bct`, `asymmetric`",
        "C3": "`bct_s`, `asymmetric_s`",
        "C4": "the condition `without_compatible` of the ablation `parts`, the condition "
        "`without_projection` of the ablation `parts`",
        "C5": "`bct_s`",
        "C6": "a robustness condition with both `sfsc` and `bct_s`",
    }
    for name, words in lacks.items():
        assert claims[name]["verdict"] == "not tested"
        assert claims[name]["effect"] is None
        assert claims[name]["explanation"] == f"Not tested. The study lacks {words}."
    assert claims["C7"]["verdict"] == "not tested"
    assert "The study lacks `bct_s`, `independent`." in claims["C7"]["explanation"]
    assert len(claims["C7"]["parts"]) == 1


def test_a_study_without_sfsc_tests_nothing(tmp_path: Path):
    """There is nothing to judge."""
    job = small_job(
        "unified",
        "bct_s",
        ablation={"parts": conditions("sfsc", {"without_compatible": "unified"})},
    )
    write_claims(job, write_study(tmp_path / "results", job), tmp_path / "claims.json")
    entries = load_claims(tmp_path / "claims.json")
    assert {entry["verdict"] for entry in entries} == {"not tested"}
    assert all("`sfsc`" in entry["explanation"] for entry in entries)


def test_one_seed_is_inconclusive(tmp_path: Path):
    """Whatever the effect."""
    job = small_job("unified", "sfsc", seeds=(0,))
    write_claims(job, write_study(tmp_path / "results", job), tmp_path / "claims.json")
    claim = load_claims(tmp_path / "claims.json")[0]
    assert (claim["id"], claim["verdict"], claim["p_value"]) == ("C1", "inconclusive", None)


def write_curves(folder: Path, rows: list[tuple[int, str, int, float]]) -> Path:
    """Replace what a training recorded."""
    frame = pd.DataFrame(rows, columns=["step", "metric", "switch", "value"])
    frame.to_parquet(folder / "training.parquet")
    return folder


def test_what_is_measured_of_a_training(tmp_path: Path):
    """Golden values: 4 steps, of which the first 2 are the first half."""
    norms = [(1.0, 4.0), (1.0, 1.0), (2.0, 8.0), (2.0, 8.0)]
    switches = [(step, switch) for step in range(4) for switch in (0, 1)]
    rows = [
        *((step, "gradient_norm", switch, norms[step][switch]) for step, switch in switches),
        *((step, "uncertainty", s, 0.9 - 0.1 * step * s - 0.2 * s) for step, s in switches),
        *((0, "cosine_layer", 0, value) for value in (-0.5, 0.5, 0.1, -0.1, 0.0)),
        *((0, "cosine_update", 0, value) for value in (-0.5, 0.5, 0.6, 0.7)),
        *((step, "cosine_whole", 0, value) for step in (0, 3) for value in (-0.5, step - 1.0)),
    ]  # fmt: skip
    run = load_run(write_curves(write_run(tmp_path, steps=4), rows))
    assert conflict_share(run) == pytest.approx(40)
    assert opposed_share(run) == pytest.approx(25)
    assert whole_conflict_shares(run) == pytest.approx([100, 50])
    assert norm_imbalance(run) == pytest.approx((2 + 0 + 2 + 2) / 4)
    assert smallest_share(run) == pytest.approx(100 * (0.2 + 0.5) / 2)
    assert uncertainty_gap(run) == pytest.approx((0.2 + 0.3) / 2)


def test_trainings_that_did_not_record_the_update_are_judged_without_it(tmp_path: Path):
    """An older training has no such metric."""
    job = small_job("bct_s", "sfsc")
    results = write_study(tmp_path, job)
    for path in results.glob("synthetic/bct_s/*/training.parquet"):
        curves = pd.read_parquet(path)
        curves[curves["metric"] != "cosine_update"].to_parquet(path)
    assert len(ask(Results(job, results, "synthetic"))["C5"].parts) == 4


def test_where_no_update_goes_against_a_submodel_there_is_nothing_to_reduce(tmp_path: Path):
    """A share of 0 in the baseline is no comparison that anybody could win; it is said."""
    job = small_job("bct_s", "sfsc")
    results = write_study(tmp_path, job)
    for path in results.glob("synthetic/bct_s/*/training.parquet"):
        curves = pd.read_parquet(path)
        is_update = curves["metric"] == "cosine_update"
        curves.loc[is_update, "value"] = curves.loc[is_update, "value"].abs()
        curves.to_parquet(path)
    question = ask(Results(job, results, "synthetic"))["C5"]
    assert len(question.parts) == 4
    assert question.remark.startswith(
        "No update of BCT-S goes against a sub-model: there is none to reduce. As whole vectors "
    )


def test_people_read_rules_tables_and_reasons(reports: Path):
    """The same verdicts as in the JSON file."""
    text = (reports / "claims.md").read_text()
    assert text.startswith("# What the paper claims, and what was found\n")
    assert "hierarchical bootstrap, 10,000 draws" in text
    for entry in load_claims(reports / "claims.json"):
        assert f"### {entry['id']}: {entry['verdict']}" in text
        assert f"{entry['statement']} {entry['explanation']}" in text
        assert all(f"* {part['name']}: " in text for part in entry["parts"])
    assert "\n## synthetic\n\n|  | claim | verdict |" in text


def test_writing_again_gives_the_same_bytes(
    job: StudyJob, study: Path, reports: Path, tmp_path: Path
):
    """The bootstrap is seeded; the command line does the same."""
    config = tmp_path / "claims.json"
    config.write_text(json.dumps({"config": job.model_dump(mode="json"), "code": ""}))
    output = tmp_path / "again" / "claims.json"
    arguments = ["claims", "--config", config, "--results", study, "--output", output]
    assert main([str(argument) for argument in arguments]) == 0
    for name in ("claims.json", "claims.md"):
        assert (output.parent / name).read_bytes() == (reports / name).read_bytes()


def test_verdict_tables_show_what_decides(reports: Path):
    """One row per claim."""
    (table,) = verdict_tables(load_claims(reports / "claims.json"))
    assert table.title == "synthetic"
    assert [row[0].text for row in table.rows] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    assert table.rows[0][3].text == "SFSC minus Unified"
    assert table.rows[0][4].text.endswith("] points of mAP")


def test_a_damaged_file_is_refused(tmp_path: Path):
    """The sentence names the stage that writes it."""
    with pytest.raises(ResultError, match=r"claims\.json must be written by `sfsc claims`"):
        load_claims(tmp_path / "claims.json")
