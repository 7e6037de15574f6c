"""The hyper-parameters in use are those that the recorded search chose on validation identities."""

import json
from pathlib import Path
from typing import Any

import pytest

from sfsc.reporting.runs import settings_of
from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[2]
CHOICES = json.loads((ROOT / "reports" / "search" / "choices.json").read_text())


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice["method"])
def test_params_have_what_was_chosen(choice: dict[str, Any]):
    """Each varied setting of the chosen candidate is that of the method's row."""
    params = load_params([ROOT / "params.yaml"])
    job = params.resolve(choice["method"], dataset="synthetic", seed=0)
    settings = settings_of({"settings": job.model_dump(mode="json")}, ROOT)
    chosen = choice["chosen_values"]
    assert {key: settings[key] for key in chosen} == chosen


def test_the_record_is_of_the_search_as_it_is():
    """The candidates are those of studies/search.yaml, each trained on every data set and seed."""
    params = load_params([ROOT / "params.yaml", ROOT / "studies" / "search.yaml"])
    found = {choice["variation"]: [c["run"] for c in choice["candidates"]] for choice in CHOICES}
    search = params.study_job().search
    assert found == {name: [c.run for c in conditions] for name, conditions in search.items()}
    seeds = {c["n_seeds"] for choice in CHOICES for c in choice["candidates"]}
    assert seeds == {len(params.variation_seeds)}


def test_switchable_methods_were_searched_with_equal_care():
    """SFSC had no more candidates than its rivals."""
    numbers = {choice["method"]: len(choice["candidates"]) for choice in CHOICES}
    assert numbers["sfsc"] <= min(numbers["bct_s"], numbers["asymmetric_s"])
