"""The claims on accuracy: C1 to C4 and C6 of DESIGN.md 1, as comparisons."""

from collections.abc import Sequence

from sfsc.reporting.claims.comparisons import Comparison, Question, Scale, compare, of_values
from sfsc.reporting.effects import differences_by_seed
from sfsc.reporting.names import OURS, RIVAL, in_words, short_name, width_name
from sfsc.reporting.runs import Results
from sfsc.reporting.summaries import AVERAGE_MAP, cell
from sfsc.settings.jobs import Condition
from sfsc.statistics.paired import Effect, pool_conditions

PAPER_POINTS = 6.0
"""Least gain of the paper's method over the unified model (C1)."""
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
    """C1: the average over the matrix, and the cell that each platform uses."""
    parts, missing = _against(results, ["unified"])
    remark = _relation_to_paper(parts[0].effect) if parts else ""
    return Question(
        "C1",
        results.dataset,
        "SFSC beats a unified model (the smallest network deployed on every platform) by 6 to 8 "
        "points of accuracy.",
        parts + _deployed_cells(results) if parts else (),
        missing,
        remark=remark,
    )


def _deployed_cells(results: Results) -> tuple[Comparison, ...]:
    """Return SFSC's cell of each query width and the full gallery minus the unified model."""
    ours, unified = results.group(OURS), results.group("unified")
    full = len(ours.widths) - 1
    return tuple(
        compare(
            f"Query by width {width_name(width)}, gallery by the full model: SFSC minus Unified",
            ours,
            unified,
            cell(switch, full).of_queries,
            AVERAGE_MAP.of_queries,
        )
        for switch, width in enumerate(ours.widths)
    )


def _relation_to_paper(effect: Effect) -> str:
    """Return whether the average gain reaches the paper's, by its interval."""
    relation = "may or may not reach"
    if effect.ci_low >= PAPER_POINTS:
        relation = "reaches"
    elif effect.ci_high < PAPER_POINTS:
        relation = "does not reach"
    return f"The average gain {relation} the paper's {PAPER_POINTS:g} points."


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
    return tuple(_average(results, OURS, row, short_name(row)) for row in found), missing


def _average(results: Results, ours: str, theirs: str, name: str) -> Comparison:
    """Return the comparison of the average mAP."""
    pair = (results.group(ours), results.group(theirs))
    return compare(f"SFSC minus {name}", *pair, AVERAGE_MAP.of_queries)


def _both_parts(results: Results) -> Question:
    conditions = results.job.ablation.get("parts", ())
    runs = {c.condition: c.run for c in conditions if c.method == OURS}
    missing = [
        f"the condition `{name}` of the ablation `parts`" for name in WITHOUT if name not in runs
    ]
    parts: list[Comparison] = []
    if OURS in results.job.compare:
        parts = [
            _average(results, OURS, runs[name], f"SFSC {WITHOUT[name]}")
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
    """C6: the mean over conditions, none of which may be contradicted."""
    statement = "It holds for different base losses, architectures, data sets and hyper-parameters."
    pairs = _robustness_pairs(results)
    if not pairs:
        missing = ("a robustness condition with both `sfsc` and `bct_s`",)
        return Question("C6", results.dataset, statement, (), missing)
    return Question(
        "C6",
        results.dataset,
        statement,
        (_pooled(results, list(pairs)),),
        conditions=tuple(_average(results, *pair, name) for pair, name in pairs.items()),
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
    """Return the mean over conditions, each with all of its seeds."""
    groups = [(results.group(ours), results.group(theirs)) for ours, theirs in pairs]
    conditions = [differences_by_seed(*pair, AVERAGE_MAP.of_queries) for pair in groups]
    return of_values(
        f"SFSC minus BCT-S, mean over {len(pairs)} conditions",
        pool_conditions(conditions),
        [group for pair in groups for group in pair],
        scale=Scale(),
        n_seeds=min(map(len, conditions)),
    )
