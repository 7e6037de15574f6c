"""The hyper-parameters in use are those that recorded searches chose on validation identities."""

import json
from pathlib import Path
from typing import Any

import pytest

from sfsc.reporting.runs import settings_of
from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[2]
CHOICES = {
    study: json.loads((ROOT / "reports" / study / "choices.json").read_text())
    for study in ("recipe", "search")
}


@pytest.mark.parametrize(
    "choice",
    [choice for choices in CHOICES.values() for choice in choices],
    ids=lambda choice: f"{choice['variation']}-{choice['method']}",
)
def test_params_have_what_was_chosen(choice: dict[str, Any]):
    """Each varied setting of the chosen candidate is that of the method's row."""
    params = load_params([ROOT / "params.yaml"])
    job = params.resolve(choice["method"], dataset="synthetic", seed=0)
    settings = settings_of({"settings": job.model_dump(mode="json")}, ROOT)
    chosen = choice["chosen_values"]
    assert {key: settings[key] for key in chosen} == chosen


@pytest.mark.parametrize("study", CHOICES)
def test_the_record_is_of_the_search_as_it_is(study: str):
    """The candidates are those of the study, each trained on every data set and seed."""
    params = load_params([ROOT / "params.yaml", ROOT / "studies" / f"{study}.yaml"])
    candidates = [candidate for choice in CHOICES[study] for candidate in choice["candidates"]]
    searched = [c.run for conditions in params.study_job().search.values() for c in conditions]
    assert sorted(candidate["run"] for candidate in candidates) == sorted(searched)
    assert {c["n_seeds"] for c in candidates} == {len(params.variation_seeds)}


def test_switchable_methods_were_searched_with_equal_care():
    """SFSC had no more candidates than its rivals."""
    numbers = {choice["method"]: len(choice["candidates"]) for choice in CHOICES["search"]}
    assert numbers["sfsc"] <= min(numbers["bct_s"], numbers["asymmetric_s"])
