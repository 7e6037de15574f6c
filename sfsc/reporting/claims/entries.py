"""The entries of `claims.json`: judged claims as JSON values."""

import json
from math import isnan
from pathlib import Path
from typing import Any

from sfsc.errors import ResultError
from sfsc.reporting.claims.price import detectable_effect, more_seeds, price
from sfsc.reporting.claims.prose import explain
from sfsc.reporting.claims.verdicts import Claim, Part

SHARED = (
    "effect", "ci_low", "ci_high", "queries_low", "queries_high", "unit", "bound", "p_value",
    "n_seeds", "test", "smallest_detectable_effect",
)  # fmt: skip
"""Values of a claim that are those of its deciding part, apart from the corrected p-value."""


def entry(claim: Claim) -> dict[str, Any]:
    """Return a claim as JSON values: what decides it, the price of a decision, all its parts.

    `smallest_detectable_effect` is the distance above the bound that is found with 80 % power;
    `more_seeds` and `more_core_minutes` are what an undecided claim still needs.
    """
    question, deciding, cost = claim.question, claim.deciding, price(claim)
    shared = _values(deciding) if deciding else {}
    values = {
        "id": question.id,
        "dataset": question.dataset,
        "statement": question.statement,
        "comparison": shared.get("name"),
        **{key: shared.get(key) for key in SHARED},
        "p_value": _rounded(claim.p_value),
        "more_seeds": cost.seeds if cost else None,
        "more_core_minutes": _rounded(cost.core_minutes if cost else None),
        "verdict": claim.verdict,
    }
    return {
        **values,
        "explanation": explain(values, shared, question.missing, question.remark),
        "parts": [_values(part) for part in (*claim.parts, *claim.conditions)],
    }


def _values(part: Part) -> dict[str, Any]:
    comparison, effect = part.comparison, part.comparison.effect
    low, high = comparison.other_queries or (None, None)
    return {
        "name": comparison.name,
        "effect": _rounded(effect.effect),
        "ci_low": _rounded(effect.ci_low),
        "ci_high": _rounded(effect.ci_high),
        "queries_low": _rounded(low),
        "queries_high": _rounded(high),
        "unit": comparison.scale.unit,
        "bound": effect.bound,
        "margin": comparison.scale.margin,
        "p_value": _rounded(effect.p_value),
        "p_opposite": _rounded(effect.p_opposite),
        "n_seeds": effect.n_seeds,
        "test": _test(part),
        "smallest_detectable_effect": _rounded(detectable_effect(part)),
        "more_seeds": more_seeds(part),
        "verdict": part.verdict,
    }


def _test(part: Part) -> str:
    """Return the test and the interval in words."""
    kind = "paired t-test" if part.comparison.is_paired else "t-test"
    return (
        f"one-sided {kind} over seeds, above {part.comparison.effect.bound:g}; 95 % interval: "
        "Student's t over seeds"
    )


def _rounded(value: float | None) -> float | None:
    """Return six significant digits: the last bits of a sum may differ between machines."""
    return None if value is None or isnan(value) else float(f"{value:.6g}")


def load_claims(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a `claims.json`.

    Raises:
        ResultError: If the file is missing or damaged.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path} must be written by `sfsc claims`. Found: {error}. Write it again."
        ) from error
    return entries
