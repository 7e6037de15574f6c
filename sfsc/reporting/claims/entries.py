"""The entries of `claims.json`: judged claims as JSON values, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sfsc.errors import ResultError
from sfsc.reporting.claims.verdicts import Claim, Part

KEYS = ("effect", "ci_low", "ci_high", "unit", "bound", "p_value", "n_seeds", "test")
"""Numbers of a claim: those of its hardest part, except for the corrected p-value."""


def entry(claim: Claim) -> dict[str, Any]:
    """Return a claim as JSON values: its hardest part's name and numbers, then all parts."""
    hardest = _values(claim.hardest) if claim.hardest else {}
    return {
        "id": claim.id,
        "dataset": claim.dataset,
        "statement": claim.statement,
        "comparison": hardest.get("name"),
        **{key: hardest.get(key) for key in KEYS},
        "p_value": claim.p_value and _rounded(claim.p_value),
        "verdict": claim.verdict,
        "explanation": claim.explanation,
        "parts": [_values(part) for part in claim.parts],
    }


def _values(part: Part) -> dict[str, Any]:
    return {
        key: _rounded(value) if isinstance(value, float) else value
        for key, value in asdict(part).items()
    }


def _rounded(value: float) -> float:
    """Return six significant digits: the last bits of a sum may differ between machines."""
    return float(f"{value:.6g}")


def as_part(values: Mapping[str, Any]) -> Part:
    """Return the part that an entry's part, or the entry itself, was written from."""
    names = [field.name for field in fields(Part)]
    known = {name: values[name] for name in names if name in values}
    return Part(**{"name": values.get("comparison"), **known})


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
