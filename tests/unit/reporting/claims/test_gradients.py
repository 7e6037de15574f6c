"""C5 and C7."""

from pathlib import Path

import pandas as pd
from result_files import small_job, write_study

from sfsc.reporting.claims.gradients import gradient_questions
from sfsc.reporting.runs import Results


def test_trainings_that_did_not_record_the_update_are_judged_without_it(tmp_path: Path):
    """An older training has no such metric."""
    job = small_job("bct_s", "sfsc")
    results = write_study(tmp_path, job)
    for path in results.glob("synthetic/bct_s/*/training.parquet"):
        curves = pd.read_parquet(path)
        curves[curves["metric"] != "cosine_update"].to_parquet(path)
    assert len(gradient_questions(Results(job, results, "synthetic"))[0].parts) == 4


def test_where_no_update_goes_against_a_submodel_there_is_nothing_to_reduce(tmp_path: Path):
    """A share of 0 in the baseline is no comparison that anybody could win; it is said."""
    job = small_job("bct_s", "sfsc")
    results = write_study(tmp_path, job)
    for path in results.glob("synthetic/bct_s/*/training.parquet"):
        curves = pd.read_parquet(path)
        is_update = curves["metric"] == "cosine_update"
        curves.loc[is_update, "value"] = curves.loc[is_update, "value"].abs()
        curves.to_parquet(path)
    question = gradient_questions(Results(job, results, "synthetic"))[0]
    assert len(question.parts) == 4
    assert question.remark.startswith(
        "No update of BCT-S goes against a sub-model: there is none to reduce. As whole vectors "
    )
