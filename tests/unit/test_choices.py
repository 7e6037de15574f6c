"""The hyper-parameters in use are those that recorded searches chose on validation identities."""

import json
from pathlib import Path
from typing import Any

import pytest

from sfsc.reporting.runs import settings_of
from sfsc.settings.experiment import Params, load_params

ROOT = Path(__file__).parents[2]


def params_of(study: str) -> Params:
    """Return the parameters of a study."""
    overlay = [] if study == "default" else [ROOT / "studies" / f"{study}.yaml"]
    return load_params([ROOT / "params.yaml", *overlay])


CHOSEN_BY = {study: params_of(study).chosen_by for study in ("default", "grocery", "grocery224")}
"""The searches that decided on the settings of a study."""
CHOICES = {
    search: json.loads((ROOT / "reports" / search / "choices.json").read_text())
    for searches in [*CHOSEN_BY.values(), ("base-search",)]
    for search in searches
}


@pytest.mark.parametrize(
    ("study", "choice"),
    [(study, choice) for study, by in CHOSEN_BY.items() for s in by for choice in CHOICES[s]],
    ids=lambda value: (
        value if isinstance(value, str) else f"{value['variation']}-{value['method']}"
    ),
)
def test_params_have_what_was_chosen(study: str, choice: dict[str, Any]):
    """Each varied setting of the chosen candidate is that of the method's row."""
    params = params_of(study)
    job = params.resolve(choice["method"], dataset=params.datasets[0], seed=0)
    settings = settings_of({"settings": job.model_dump(mode="json")}, ROOT)
    chosen = choice["chosen_values"]
    assert {key: settings[key] for key in chosen} == chosen


@pytest.mark.parametrize(
    "choice", CHOICES["base-search"], ids=lambda choice: str(choice["variation"])
)
def test_each_base_loss_has_the_weights_that_were_chosen_for_it(choice: dict[str, Any]):
    """The condition of `claims` trains as the chosen candidate did."""
    claims, search = params_of("claims"), params_of("base-search")
    method, condition = choice["method"], choice["variation"].removesuffix(f"_{choice['method']}")
    jobs = [
        params.resolve(run, dataset="synthetic", seed=0)
        for params, run in (
            (claims, f"{method}@base_loss={condition}"),
            (search, f"{method}@{choice['variation']}={choice['chosen']}"),
        )
    ]
    assert jobs[0].model_copy(update={"method": jobs[1].method}) == jobs[1]


@pytest.mark.parametrize("study", CHOICES)
def test_the_record_is_of_the_search_as_it_is(study: str):
    """The candidates are those of the study, each trained on every data set and seed."""
    params = params_of(study)
    candidates = [candidate for choice in CHOICES[study] for candidate in choice["candidates"]]
    searched = [c.run for conditions in params.study_job().search.values() for c in conditions]
    assert sorted(candidate["run"] for candidate in candidates) == sorted(searched)
    assert {c["n_seeds"] for c in candidates} == {len(params.variation_seeds)}


def test_switchable_methods_were_searched_with_equal_care():
    """SFSC had no more candidates than its rivals."""
    numbers = {choice["method"]: len(choice["candidates"]) for choice in CHOICES["search"]}
    assert numbers["sfsc"] <= min(numbers["bct_s"], numbers["asymmetric_s"])
