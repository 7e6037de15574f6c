"""A study in a sentence."""

import pandas as pd

from sfsc.reporting.findings import lead_sentence, verdict_sentence


def row(method: str, average: float, worst: float) -> dict[str, object]:
    """Return a row of the main table."""
    means = {"average_map_mean": average, "average_map_std": 1.0}
    return {"method": method, "n_seeds": 3, **means, "worst_map_mean": worst, "worst_map_std": 2.0}


def test_the_best_other_is_no_reference():
    """SFSC is compared with rivals, not with the full network alone."""
    rows = [
        row("full_alone", 80, 80),
        row("unified", 50, 50),
        row("bct_s", 58, 44),
        row("sfsc", 57, 46),
    ]
    assert lead_sentence("omniglot", pd.DataFrame(rows)) == (
        "On `omniglot`, over 3 seeds, SFSC reaches an average mAP of 57.0 ± 1.0 %: 7.0 points "
        "above Unified (50.0 ± 1.0) and 1.0 points below BCT-S, the best other (58.0 ± 1.0). "
        "Its worst pair of sub-models reaches 46.0 ± 2.0 %, 4.0 points below Unified."
    )


def test_a_study_without_a_rival_is_compared_with_the_unified_model_alone():
    """And one without a unified model has no such sentence."""
    rows = [row("unified", 50, 50), row("sfsc", 57, 46)]
    assert "best other" not in lead_sentence("omniglot", pd.DataFrame(rows))
    assert lead_sentence("omniglot", pd.DataFrame(rows[1:])) == ""


def test_every_verdict_is_counted():
    """With the names of its claims, the clearest verdicts first."""
    claims = [
        {"id": "C1", "verdict": "undecided"},
        {"id": "C2", "verdict": "reproduced"},
        {"id": "C3", "verdict": "reproduced"},
    ]
    assert verdict_sentence(claims) == (
        "Of 3 claims of the paper, 2 are reproduced (C2, C3), 1 is undecided (C1)."
    )
