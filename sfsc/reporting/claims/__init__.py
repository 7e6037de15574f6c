"""The stage `sfsc claims`: judge the paper's seven claims on the results of a study.

What each claim compares (DESIGN.md 1) is in `accuracy` and `gradients`, how comparisons are judged
(DESIGN.md 6) in `verdicts`; `entries` are written to `claims.json`, `prose` is for people.
"""

import json
from dataclasses import replace
from pathlib import Path

from sfsc.files import write_texts
from sfsc.reporting.claims.accuracy import accuracy_questions
from sfsc.reporting.claims.comparisons import Question
from sfsc.reporting.claims.entries import entry
from sfsc.reporting.claims.gradients import gradient_questions
from sfsc.reporting.claims.prose import to_text
from sfsc.reporting.claims.verdicts import judge
from sfsc.reporting.runs import Results, describe_reranking, load_results
from sfsc.settings.jobs import StudyJob


def write_claims(job: StudyJob, results: Path, output: Path) -> None:
    """Write the verdicts as `output` (JSON: a list of claims) and beside it as Markdown.

    Args:
        job: The study's data sets and runs.
        results: `results/<study>`.
        output: The JSON file.

    Raises:
        ResultError: If a result file is missing or damaged or the runs do not fit each other.
    """
    by_set = load_results(job, results)
    questions = [question for of_set in by_set for question in ask(of_set)]
    reranking = describe_reranking(by_set[0].compared()[0].runs[0])
    entries = [entry(claim) for claim in judge(questions)]
    content = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_texts({output: content, output.with_suffix(".md"): to_text(entries, reranking)})


def ask(results: Results) -> list[Question]:
    """Return the seven claims on a data set, in their order."""
    questions = [*accuracy_questions(results), *gradient_questions(results)]
    if results.compared()[0].runs[0].reranking != "none":
        questions = [_name_reranking(question) for question in questions]
    return sorted(questions, key=lambda question: question.id)


def _name_reranking(question: Question) -> Question:
    """Return the question with units that name the re-ranking."""
    parts, conditions = (
        tuple(replace(c, scale=replace(c.scale, unit=_reranked(c.scale.unit))) for c in comparisons)
        for comparisons in (question.parts, question.conditions)
    )
    return replace(question, parts=parts, conditions=conditions)


def _reranked(unit: str) -> str:
    return unit.replace("mAP", "re-ranked mAP")
