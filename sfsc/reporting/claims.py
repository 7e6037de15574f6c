"""The stage `sfsc claims`: does each claim of the paper hold, by how much, how sure is that?

The rules are those of `sfsc.reporting.verdicts`; what is compared for each claim is in
`sfsc.reporting.accuracy_claims` and `sfsc.reporting.training_claims`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.reporting.accuracy_claims import accuracy_questions
from sfsc.reporting.markup import NONE, Cell, Table, markdown_grid
from sfsc.reporting.runs import Results, describe_reranking, load_results
from sfsc.reporting.training_claims import training_questions
from sfsc.reporting.verdicts import Claim, Comparison, Part, Question, judge, p_text
from sfsc.settings.jobs import StudyJob

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


def write_claims(job: StudyJob, results: Path, output: Path) -> None:
    """Write the verdicts as `output` (JSON: a list of claims) and for people beside it (Markdown).

    Args:
        job: Which runs the study has.
        results: `results/<study>`.
        output: The JSON file.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
    """
    by_set = load_results(job, results)
    questions = [question for of_set in by_set for question in ask(of_set)]
    reranking = describe_reranking(by_set[0].compared()[0].runs[0])
    entries = [entry(claim) for claim in judge(questions)]
    texts = {
        output: json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        output.with_suffix(".md"): _for_people(entries, reranking),
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def ask(results: Results) -> list[Question]:
    """Return the seven claims on a data set, in their order."""
    questions = [*accuracy_questions(results), *training_questions(results)]
    if results.compared()[0].runs[0].reranking != "none":
        questions = [_of_reranked_tests(question) for question in questions]
    return sorted(questions, key=lambda question: question.id)


def _of_reranked_tests(question: Question) -> Question:
    """Return a question whose units say what they are of."""

    def labelled(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
        return tuple(replace(c, unit=c.unit.replace("mAP", "re-ranked mAP")) for c in comparisons)

    return replace(
        question, parts=labelled(question.parts), conditions=labelled(question.conditions)
    )


def entry(claim: Claim) -> dict[str, Any]:
    """Return a claim as it is written: its hardest part's name and numbers, and all parts."""
    hardest = _numbers(claim.hardest) if claim.hardest else {}
    keys = ("name", "effect", "ci_low", "ci_high", "unit", "bound", "p_value", "n_seeds", "test")
    return {
        "id": claim.id,
        "dataset": claim.dataset,
        "statement": claim.statement,
        **{key.replace("name", "comparison"): hardest.get(key) for key in keys},
        "p_value": claim.p_value and float(f"{claim.p_value:.6g}"),
        "verdict": claim.verdict,
        "explanation": claim.explanation,
        "parts": [_numbers(part) for part in claim.parts],
    }


def _numbers(part: Part) -> dict[str, Any]:
    """Return a part with numbers that do not depend on the last bits of a sum."""
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in asdict(part).items()
    }


def load_claims(path: Path) -> list[dict[str, Any]]:
    """Read a file of `write_claims`.

    Raises:
        ResultError: If it is missing or damaged.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(
            f"{path} must be written by `sfsc claims`. Found: {error}. Write it again."
        ) from error
    return entries


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
        return (*first, Cell(NONE), Cell(NONE), Cell(NONE), Cell(NONE))
    part = as_part(entry)
    return (
        *first,
        Cell(part.name),
        Cell(f"{part.text} {part.unit}"),
        Cell(p_text(part.p_value).removeprefix("p = ").removeprefix("p ")),
        Cell(str(part.n_seeds)),
    )


def as_part(numbers: Mapping[str, Any]) -> Part:
    """Return a part, or a claim's own numbers, as it was judged."""
    names = [field.name for field in fields(Part)]
    known = {name: numbers[name] for name in names if name in numbers}
    return Part(**{"name": numbers.get("comparison"), **known})


def _for_people(entries: Sequence[Mapping[str, Any]], reranking: str) -> str:
    """Return the rules, then for each data set the table and what each claim was judged by."""
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
