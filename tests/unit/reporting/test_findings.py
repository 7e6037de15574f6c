"""A study in a sentence."""

import pandas as pd

from sfsc.reporting.findings import UNJUDGED, lead_sentence, unjudged_summary, verdict_sentence


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


def conflict(variation: str, condition: str, *measures: float, run: str = "") -> dict[str, object]:
    """Return a row of BCT-S in the table of conflicts."""
    names = ("whole_early_mean", "whole_late_mean", "change_mean")
    name = run or f"bct_s@{variation}={condition}"
    values = dict(zip(names, measures, strict=True))
    return {"variation": variation, "condition": condition, "method": "bct_s", "run": name} | values


def test_settings_in_which_gradients_conflict_most_are_named():
    """One for how often, and another for how far."""
    rows = [
        conflict("compared", "unchanged", 12.0, 0.5, 0.2, run="bct_s"),
        conflict("architecture", "mobilenet_v2", 30.5, 0.25, 0.3),
        conflict("widths", "0.125-1", 20.0, 4.0, 0.75),
    ]
    assert unjudged_summary(pd.DataFrame(rows)) == (
        f"{UNJUDGED} In BCT-S, the gradients of 12.0 % of the pairs of sub-models conflict in "
        "the first quarter of the training, and of 0.5 % later. Other settings reach 30.5 %, later "
        "0.2 % (architecture: MobileNet V2). The projection would change the mean of the gradients "
        "by 0.2 % of its norm, in other settings by at most 0.8 % (widths: 1/8, 1)."
    )


def test_without_other_settings_there_is_no_word_on_conflicts():
    """Nor without BCT-S as it is compared."""
    rows = pd.DataFrame([conflict("compared", "unchanged", 12.0, 0.5, 0.2, run="bct_s")])
    assert unjudged_summary(rows) == unjudged_summary(rows[:0]) == UNJUDGED
    apart = pd.DataFrame([conflict("widths", "1", 1.0, 1.0, 1.0)])
    assert unjudged_summary(apart) == UNJUDGED


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
