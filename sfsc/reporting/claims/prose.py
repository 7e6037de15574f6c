"""Claims for people: the rules, the tables of verdicts, and `claims.md`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sfsc.reporting.claims.entries import as_part
from sfsc.reporting.claims.verdicts import p_text
from sfsc.reporting.markup import NONE, Cell, Table, markdown_grid

HEAD = ("", "claim", "verdict", "by", "effect [95 % interval]", "p", "seeds")
RULES = """\
# What the paper claims, and what was found

Written by `sfsc claims` from result files. A claim is made of comparisons, each of which should be
above 0 or above the bound that it names. Accuracy is the average mAP: the mean over all pairs of a
query and a gallery sub-model (of one network: its self-test).

* **Effect**: paired by seed and query, mean over both.
* **Interval** (95 %): hierarchical bootstrap, 10,000 draws of seeds and, within each drawn seed, of
  queries; over seeds alone for what has no queries. Conditional on these test identities.
* **p**: two-sided t-test over seeds (S - 1 degrees of freedom), paired where two methods are
  compared. A claim holds only if each of its comparisons does (an intersection-union test), so its
  p is its largest comparison's; in the tables it is corrected by Holm's method over the claims of
  the study.
* A comparison is **reproduced** if the interval is above the bound and p < 0.05, **not
  reproduced** if the interval is below it, **inconclusive** otherwise and always with one seed.
* A claim is as good as its worst comparison, and needs a corrected p < 0.05; with methods that the
  study lacks it is **not tested**. Its effect is that of its hardest comparison: the smallest, or,
  of different units, the one that decides.
* C1 is against the unified network's self-test. C5 asks that more than 1 % of the pairs' cosines,
  layer by layer, are negative in BCT-S, that the norms differ there by more than 0.1 (binary
  logarithm of the largest over the smallest, mean over steps), and that both are lower in SFSC, as
  is the share of updates that go against a sub-model, if there are any in BCT-S. C6
  is reproduced if the mean over conditions is and no condition's effect is negative; not reproduced
  if that mean's interval is below 0 or more than half of the conditions are negative. C7 looks at
  the first half of the training for uncertainty and gradient norms, and lets a sub-model lose at
  most 1 point to the independent network of its width.
"""


def verdict_tables(entries: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return a table of verdicts per data set."""
    return [
        Table(
            dataset, HEAD, 4, tuple(_row(entry) for entry in entries if entry["dataset"] == dataset)
        )
        for dataset in dict.fromkeys(str(entry["dataset"]) for entry in entries)
    ]


def _row(entry: Mapping[str, Any]) -> tuple[Cell, ...]:
    first = (Cell(entry["id"]), Cell(entry["statement"]), Cell(entry["verdict"], is_best=True))
    if entry["effect"] is None:
        return (*first, *4 * (Cell(NONE),))
    part = as_part(entry)
    return (
        *first,
        Cell(part.name),
        Cell(f"{part.text} {part.unit}"),
        Cell(p_text(part.p_value).removeprefix("p = ").removeprefix("p ")),
        Cell(str(part.n_seeds)),
    )


def to_text(entries: Sequence[Mapping[str, Any]], reranking: str) -> str:
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
                "\n".join(f"* {as_part(part).sentence}" for part in item["parts"]),
            ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"
