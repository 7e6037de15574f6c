"""Which searches the sheet shows, and whether its hits are hits."""

from pathlib import Path

import numpy as np
import pytest
from result_files import write_embeddings, write_prepared, write_run

from sfsc.data.prepared import PreparedSet
from sfsc.errors import ResultError
from sfsc.reporting.figures.retrieval import SHOWN, find_searches
from sfsc.reporting.runs import load_run


def test_hits_are_images_of_the_query_s_identity(tmp_path: Path, prepared: Path):
    """Best query first, the last one the worst; ten gallery images each, no query twice.

    Each query has a ranking by the smallest sub-model and one by the full one.
    """
    folder = write_run(tmp_path)
    write_embeddings(folder, prepared, noise=1.5)
    opened = PreparedSet.open(prepared)
    searches = find_searches(load_run(folder), opened)
    manifest = opened.manifest
    precisions = [search.rankings[0].average_precision for search in searches]
    assert precisions == sorted(precisions, reverse=True)
    assert len({search.query for search in searches}) == len(searches)
    for search in searches:
        assert [ranking.width for ranking in search.rankings] == [0.125, 1.0]
    pairs = [(search.query, found) for search in searches for found in search.rankings]
    for query, found in pairs:
        assert len(found.images) == SHOWN
        assert (manifest.split[found.images] == "gallery").all()
        own = manifest.identity[found.images] == manifest.identity[query]
        assert np.array_equal(found.is_hit, own)
        assert not (own & (manifest.camera[found.images] == manifest.camera[query])).any()


def test_embeddings_of_another_set_are_refused(tmp_path: Path, prepared: Path):
    """The sheet would show the wrong images."""
    folder = write_run(tmp_path)
    write_embeddings(folder, prepared)
    other = PreparedSet.open(write_prepared(tmp_path / "other", identities=3))
    with pytest.raises(ResultError) as error:
        find_searches(load_run(folder), other)
    assert str(error.value) == (
        f"{folder / 'embeddings.safetensors'} must hold an embedding of each query and gallery "
        "image of the prepared set (6 and 12). Found 16 and 32. Evaluate the run again."
    )
