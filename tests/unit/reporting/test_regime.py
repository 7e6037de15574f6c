"""The committed default study is in the regime that the method is made for (DESIGN.md 4)."""

from pathlib import Path

import pandas as pd

from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[3]


def test_there_are_more_identities_than_dimensions():
    """Six training identities for each dimension, and 200 for validation."""
    params = load_params([ROOT / "params.yaml"])
    identities = params.data.sets["synthetic"].train_identities
    held_out = round(identities * params.data.validation_fraction)
    assert identities - held_out >= 6 * params.network.embedding_dim
    assert held_out >= 200


def test_a_small_query_finds_more_in_the_large_gallery():
    """Under BCT-S the smallest sub-model's query finds more there than in its own gallery."""
    table = pd.read_csv(ROOT / "reports" / "default" / "tables" / "deployment.csv")
    rows = table[(table.dataset == "synthetic") & (table.method == "bct_s")]
    smallest = rows.loc[rows.query_width.idxmin()]
    assert smallest.full_gallery_map_mean > smallest.own_gallery_map_mean
