"""The stage `sfsc claims`: what each claim compares, and the files it writes."""

import json
from pathlib import Path

from result_files import conditions, small_job, write_study

from sfsc.cli import main
from sfsc.reporting.claims import ask, write_claims
from sfsc.reporting.claims.comparisons import Question
from sfsc.reporting.claims.entries import load_claims
from sfsc.reporting.runs import Results
from sfsc.settings.jobs import StudyJob


def questions(results: Results) -> dict[str, Question]:
    """Return the seven questions by their names."""
    return {question.id: question for question in ask(results)}


def names(question: Question) -> list[str]:
    """Return the names of a claim's parts."""
    return [part.name for part in question.parts]


def test_what_each_claim_compares(results: Results):
    """All rows of the family that the study has."""
    asked = questions(results)
    assert names(asked["C1"]) == [
        "SFSC minus Unified",
        *(
            f"Query by width {width}, gallery by the full model: SFSC minus Unified"
            for width in ("1/8", "1/4", "1/2", "1")
        ),
    ]
    assert names(asked["C2"]) == ["SFSC minus BCT", "SFSC minus Asymmetric"]
    assert names(asked["C3"]) == ["SFSC minus BCT-S", "SFSC minus Asymmetric-S"]
    assert names(asked["C4"]) == [
        "SFSC minus SFSC without the compatible loss",
        "SFSC minus SFSC without the projection",
    ]
    assert [part.scale.bound for part in asked["C5"].parts] == [1, 0, 0.1, 0]
    assert names(asked["C6"]) == ["SFSC minus BCT-S, mean over 7 conditions"]
    assert [condition.name for condition in asked["C6"].conditions] == [
        *(f"SFSC minus BCT-S, KL weight: {v}" for v in ("0", "5e-05", "0.0005", "0.005", "0.05")),
        "SFSC minus BCT-S, base loss: ArcFace",
        "SFSC minus BCT-S, base loss: circle triplet",
    ]
    assert [part.scale.bound for part in asked["C7"].parts] == [0, -1, -1, -1, -1]
    assert not any(question.missing for question in asked.values())


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
    assert "The study lacks `independent`." in claims["C7"]["explanation"]
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


def test_one_seed_is_undecided(tmp_path: Path):
    """Whatever the effect."""
    job = small_job("unified", "sfsc", seeds=(0,))
    write_claims(job, write_study(tmp_path / "results", job), tmp_path / "claims.json")
    claim = load_claims(tmp_path / "claims.json")[0]
    assert (claim["id"], claim["verdict"], claim["p_value"]) == ("C1", "undecided", None)


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
