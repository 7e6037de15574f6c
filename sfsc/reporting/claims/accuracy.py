"""The claims on accuracy: C1 to C4 and C6 of DESIGN.md 1, as comparisons to be judged."""

from collections.abc import Sequence

import numpy as np

from sfsc.reporting.claims.verdicts import Comparison, Question
from sfsc.reporting.effects import differences, differences_by_seed
from sfsc.reporting.names import OURS, RIVAL, in_words, short_name
from sfsc.reporting.runs import Results
from sfsc.reporting.summaries import AVERAGE_MAP
from sfsc.settings.jobs import Condition

PAPER_POINTS = (6.0, 8.0)
"""Gain of the paper's method over the unified model, from and to (C1)."""
WITHOUT = {
    "without_compatible": "without the compatible loss",
    "without_projection": "without the projection",
}
"""The conditions of the ablation `parts` that C4 compares with."""


def accuracy_questions(results: Results) -> list[Question]:
    """Return C1 to C4 and C6 on a data set."""
    claims = (_unified, _one_to_one, _self_compatible, _both_parts, _robust)
    return [claim(results) for claim in claims]


def _unified(results: Results) -> Question:
    parts, missing = _against(results, ["unified"])
    return Question(
        "C1",
        results.dataset,
        "SFSC beats a unified model (the smallest network deployed on every platform) by 6 to 8 "
        "points of accuracy.",
        parts,
        missing,
        remark=" ".join(_relation_to_paper(part.effect.effect) for part in parts),
    )


def _relation_to_paper(effect: float) -> str:
    low, high = PAPER_POINTS
    relation = "below" if effect < low else "above" if effect > high else "within"
    return f"The effect is {relation} the paper's {low:g} to {high:g} points."


def _one_to_one(results: Results) -> Question:
    rows = [r for r in results.job.compare if r.startswith("asymmetric") and not _is_s(r)]
    parts, missing = _against(results, ["bct", *(rows or ["asymmetric"])])
    statement = "SFSC beats one-to-one compatible learning: BCT and Asymmetric."
    return Question("C2", results.dataset, statement, parts, missing)


def _self_compatible(results: Results) -> Question:
    rows = [row for row in results.job.compare if row.startswith("asymmetric") and _is_s(row)]
    parts, missing = _against(results, ["bct_s", *(rows or ["asymmetric_s"])])
    statement = "SFSC beats their self-compatible variants: BCT-S and Asymmetric-S."
    return Question("C3", results.dataset, statement, parts, missing)


def _is_s(row: str) -> bool:
    """Whether a row is a self-compatible variant."""
    return row == "asymmetric_s" or row.startswith("asymmetric_s_")


def _against(
    results: Results, rows: Sequence[str]
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Return SFSC minus each compared row, and the rows that the study does not compare."""
    missing = tuple(f"`{row}`" for row in [OURS, *rows] if row not in results.job.compare)
    if OURS not in results.job.compare:
        return (), missing
    found = [row for row in rows if row in results.job.compare]
    return tuple(_comparison(results, OURS, row, short_name(row)) for row in found), missing


def _comparison(results: Results, ours: str, theirs: str, name: str) -> Comparison:
    pair = (results.group(ours), results.group(theirs))
    return Comparison(f"SFSC minus {name}", differences(*pair, AVERAGE_MAP.of_queries))


def _both_parts(results: Results) -> Question:
    conditions = results.job.ablation.get("parts", ())
    runs = {c.condition: c.run for c in conditions if c.method == OURS}
    missing = [
        f"the condition `{name}` of the ablation `parts`" for name in WITHOUT if name not in runs
    ]
    parts = []
    if OURS in results.job.compare:
        parts = [
            _comparison(results, OURS, runs[name], f"SFSC {WITHOUT[name]}")
            for name in WITHOUT
            if name in runs
        ]
    else:
        missing.insert(0, f"`{OURS}`")
    return Question(
        "C4",
        results.dataset,
        "Both parts help: the compatible loss (uncertainty) and the aggregation (projection).",
        tuple(parts),
        tuple(missing),
    )


def _robust(results: Results) -> Question:
    statement = "It holds for different base losses, architectures, data sets and hyper-parameters."
    pairs = _robustness_pairs(results)
    if not pairs:
        missing = ("a robustness condition with both `sfsc` and `bct_s`",)
        return Question("C6", results.dataset, statement, (), missing)
    conditions = [_comparison(results, *pair, name) for pair, name in pairs.items()]
    ahead = sum(condition.effect.effect > 0 for condition in conditions)
    return Question(
        "C6",
        results.dataset,
        statement,
        (_pooled(results, list(pairs)),),
        conditions=tuple(conditions),
        remark=f"SFSC is ahead of BCT-S under {ahead} of {len(conditions)} conditions.",
    )


def _robustness_pairs(results: Results) -> dict[tuple[str, str], str]:
    """Return runs of SFSC and BCT-S under the same condition, each pair once, with its name.

    Where only SFSC is varied (such as the weight of its own loss), the pair has the BCT-S of the
    main comparison.
    """
    pairs: dict[tuple[str, str], str] = {}
    for variation, conditions in results.job.robustness.items():
        ours, theirs = _runs_of(conditions, OURS), _runs_of(conditions, RIVAL)
        if not theirs and RIVAL in results.job.compare:
            theirs = dict.fromkeys(ours, RIVAL)
        for name in filter(theirs.__contains__, ours):
            text = f"BCT-S, {in_words(variation)}: {in_words(name)}"
            pairs.setdefault((ours[name], theirs[name]), text)
    return pairs


def _runs_of(conditions: Sequence[Condition], method: str) -> dict[str, str]:
    return {c.condition: c.run for c in conditions if c.method == method}


def _pooled(results: Results, pairs: Sequence[tuple[str, str]]) -> Comparison:
    """Return the mean of the differences over conditions, for the seeds that all of them have."""
    by_seed = [
        differences_by_seed(results.group(a), results.group(b), AVERAGE_MAP.of_queries)
        for a, b in pairs
    ]
    seeds = sorted(set.intersection(*(set(seeds) for seeds in by_seed)))
    pooled = np.stack([np.mean([values[seed] for values in by_seed], axis=0) for seed in seeds])
    return Comparison(f"SFSC minus BCT-S, mean over {len(pairs)} conditions", pooled)
