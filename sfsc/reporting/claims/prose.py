"""Claims for people: the rules, sentences and tables of the entries of `claims.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sfsc.reporting.markup import NONE, Cell, Table, effect_text, markdown_grid, signed

Values = Mapping[str, Any]
"""An entry of `claims.json`, or one of its parts."""

HEAD = ("", "claim", "verdict", "by", "effect [95 % interval]", "p", "seeds")
OPENINGS = {
    "reproduced": "It holds.",
    "contradicted": "It does not hold here.",
    "no difference": "There is no difference that matters.",
    "undecided": "Undecided.",
    "not tested": "Not tested.",
}
RULES = """\
# What the paper claims, and what was found

Written by `sfsc claims` from result files. A claim consists of comparisons, each of which should
exceed 0 or the bound that it names. Accuracy is the average mAP: the mean over all pairs of a query
and a gallery sub-model (of a single network: its self-test).

* **Effect**: mean over seeds and queries of the difference, paired by seed and query.
* **Interval** (95 %): Student's t over seeds, the test set being fixed. "On other queries" is the
  interval of a crossed bootstrap, which draws seeds and query identities independently. It decides
  nothing.
* **p**: one-sided t-test over seeds in the direction of the claim. A claim holds only if each of
  its comparisons does, so its p is the largest of theirs (an intersection-union test). In the
  tables it is corrected by Holm's method over the claims of the study.
* **reproduced**: the interval is above the bound and the corrected p < 0.05.
* **contradicted**: the interval is below the bound and the opposite test has p < 0.05, corrected
  for the comparisons of the claim (Bonferroni) and the claims of the study (Holm).
* **no difference**: the whole interval is within 1 point of mAP of the bound (1 percentage point,
  0.1 of a logarithm or a correlation), too little to matter.
* **undecided**: otherwise, and always with one seed. Then the text gives the smallest effect above
  the bound that so many seeds find with 80 % power, and what a decision about 1 point costs: the
  seeds that find an effect of 1 point and tell none from 1 point, each with 80 % power, as far as
  the spread between the seeds so far can tell.
* A claim is as good as its worst comparison: contradicted, **not tested** (the study lacks a method
  that it needs), undecided, no difference, reproduced. The table shows the comparison that decides.
* The rules keep the probability of any false "reproduced" in a study below 5 %, that of any false
  "contradicted" likewise, and that of a false "no difference" below 2.5 % for each claim.
* C1 is against the unified network's self-test, on average and for each width of the query against
  the full model's gallery. C5 asks that more than 1 % of the cosines of sub-models' gradients are
  negative in BCT-S, that the norms per unit of loss weight differ there by more than 0.1 (binary
  logarithm of the largest over the smallest, mean over steps), and that both are lower in SFSC. C6
  is about the mean over conditions, none of which may be contradicted. C7 correlates the ranks of
  the sub-models' uncertainties and gradient norms per unit of loss weight within each step, and
  lets a sub-model lose at most 1 point to the independent network of its width.
"""


def explain(claim: Values, deciding: Values, missing: Sequence[str], remark: str) -> str:
    """Return the reason of a verdict in sentences.

    Args:
        claim: The entry so far.
        deciding: Values of the part that decides; empty if nothing was compared.
        missing: What the study lacks.
        remark: Further sentences.
    """
    sentences = [OPENINGS[claim["verdict"]]]
    if missing:
        sentences.append(f"The study lacks {', '.join(missing)}.")
    if deciding:
        sentences.append(f"What decides: {part_sentence(deciding)}")
        if deciding["verdict"] == "undecided":
            sentences.append(_reason(deciding))
    if claim["more_seeds"] is not None:
        sentences.append(_price(claim, deciding))
    return " ".join([*sentences, remark]).strip()


def _reason(part: Values) -> str:
    """Return why a comparison is undecided."""
    if part["p_value"] is None:
        return "One seed has no spread to test: at least two are needed."
    if part["ci_low"] > part["bound"]:
        return (
            "The interval is above the bound, but p, corrected for all claims, is not below 0.05."
        )
    if part["ci_high"] < part["bound"]:
        return (
            "The interval is below the bound, but the opposite p is at least 0.05 when corrected "
            "for all comparisons and claims."
        )
    return "The interval contains the bound and reaches further from it than what matters."


def _price(claim: Values, part: Values) -> str:
    """Return what the seeds can find and what a decision costs."""
    above = f" above {part['bound']:g}" if part["bound"] else ""
    return (
        f"{_seeds(part['n_seeds'])} find an effect of {part['smallest_detectable_effect']:.2g} "
        f"{part['unit']}{above} with 80 % power. {_decision(claim, part)}"
    )


def price_sentence(claim: Values) -> str:
    """Return what a decision on an undecided claim costs; empty if it is decided or unknown."""
    if claim["more_seeds"] is None:
        return ""
    return _decision(claim, next(p for p in claim["parts"] if p["name"] == claim["comparison"]))


def _decision(claim: Values, part: Values) -> str:
    """Return the sentence on what a decision costs about the smallest effect that matters."""
    unit, margin = part["unit"], part["margin"]
    one = unit.replace("points", "point") if margin == 1 else unit
    return (
        f"A decision about {margin:g} {one} needs about {claim['more_seeds']} more seeds, "
        f"{claim['more_core_minutes']:.0f} core-minutes; a larger effect needs fewer."
    )


def _seeds(number: int) -> str:
    return f"{number} seed{'s' if number > 1 else ''}"


def part_sentence(part: Values) -> str:
    """Return a comparison in a sentence."""
    bound = f" (bound {part['bound']:g})" if part["bound"] else ""
    return (
        f"{part['name']}: {interval_text(part)} {part['unit']}{bound}, {p_text(part['p_value'])}, "
        f"{_seeds(part['n_seeds'])}{_on_other_queries(part)}: {part['verdict']}."
    )


def _on_other_queries(part: Values) -> str:
    low, high = part["queries_low"], part["queries_high"]
    if low is None:
        return ""
    digits = _digits(low, high)
    return f"; on other queries [{signed(low, digits)}, {signed(high, digits)}]"


def interval_text(values: Values) -> str:
    """Return effect and interval, typeset; small numbers get more digits.

    >>> interval_text({"effect": 0.0122, "ci_low": 0.0121, "ci_high": 0.0123})
    '+0.012 [+0.012, +0.012]'
    >>> interval_text({"effect": 2.04, "ci_low": None, "ci_high": None})
    '+2.0'
    """
    effect, low, high = (values[key] for key in ("effect", "ci_low", "ci_high"))
    if low is None:
        return signed(effect, _digits(effect))
    return effect_text(effect, low, high, _digits(low, high))


def _digits(*numbers: float) -> int:
    largest = max(map(abs, numbers))
    return 1 if largest >= 1 else 2 if largest >= 0.1 else 3


def p_text(p_value: float | None) -> str:
    """Return a p-value, typeset.

    >>> p_text(0.04321), p_text(0.00002), p_text(None)
    ('p = 0.043', 'p < 0.001', 'no test')
    """
    if p_value is None:
        return "no test"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def verdict_tables(entries: Sequence[Values]) -> list[Table]:
    """Return a table of verdicts per data set."""
    return [
        Table(
            dataset,
            HEAD,
            frozenset(HEAD[:4]),
            tuple(_row(entry) for entry in entries if entry["dataset"] == dataset),
        )
        for dataset in dict.fromkeys(str(entry["dataset"]) for entry in entries)
    ]


def _row(entry: Values) -> tuple[Cell, ...]:
    first = (Cell(entry["id"]), Cell(entry["statement"]), Cell(entry["verdict"], is_best=True))
    if entry["effect"] is None:
        return (*first, *4 * (Cell(NONE),))
    return (
        *first,
        Cell(entry["comparison"]),
        Cell(f"{interval_text(entry)} {entry['unit']}"),
        Cell(p_text(entry["p_value"]).removeprefix("p = ").removeprefix("p ")),
        Cell(str(entry["n_seeds"])),
    )


def to_text(entries: Sequence[Values], reranking: str) -> str:
    """Return `claims.md`: the rules, then each data set's table and the parts of each claim.

    Args:
        entries: Content of `claims.json`.
        reranking: The sentence on the re-ranking of all tests, empty without one.
    """
    paragraphs = [RULES.rstrip(), reranking]
    for table in verdict_tables(entries):
        paragraphs += [f"## {table.title}", markdown_grid(table)]
        for item in (entry for entry in entries if entry["dataset"] == table.title):
            paragraphs += [
                f"### {item['id']}: {item['verdict']}",
                f"{item['statement']} {item['explanation']}",
                "\n".join(f"* {part_sentence(part)}" for part in item["parts"]),
            ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"
