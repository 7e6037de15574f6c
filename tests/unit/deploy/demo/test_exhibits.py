"""What the demo shows is what the test of the training computed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sfsc.deploy.accuracy import embed_split
from sfsc.deploy.demo.exhibits import Exhibits, open_exhibits
from sfsc.errors import DataError, ResultError


def test_a_training_is_exported_and_shown(training: Path, exhibits: Exhibits):
    """Its sub-models embed as those of an export, and its prepared set is found."""
    with open_exhibits(training) as shown:
        assert list(shown.models) == list(exhibits.models) == ["0.25", "1"]
        np.testing.assert_allclose(shown.vectors, exhibits.vectors, atol=1e-6)
        assert shown.models["1"].map_against_full == exhibits.models["1"].map_against_full
        files = [model.file for model in shown.models.values()]
        assert all(file.is_file() for file in files)
    assert not any(file.exists() for file in files)


def test_networks_of_unrelated_spaces_are_not_compared(data: Path, tmp_path: Path):
    """If networks were trained apart, only the full one can query the full one's gallery."""
    from finished_trainings import write_training

    with open_exhibits(write_training(tmp_path, kind="each"), data) as shown:
        assert list(shown.models) == ["1"]


def test_the_ranking_is_that_of_the_test(exhibits: Exhibits):
    """Same identity and same camera, and junk, are left out; ties keep the gallery's order."""
    manifest = exhibits.prepared.manifest
    vectors = embed_split(exhibits.models["0.25"].embedder, exhibits.prepared, "query")
    for query in range(0, len(vectors), 7):
        row = exhibits.queries[query]
        scores = exhibits.vectors @ vectors[query]
        kept = [
            place
            for place, item in enumerate(exhibits.gallery)
            if manifest.identity[item] != manifest.identity[row]
            or manifest.camera[item] != manifest.camera[row]
        ]
        order = sorted(kept, key=lambda place: (-scores[place], place))
        answer = exhibits.search(vectors[query], query)
        assert [hit.image for hit in answer.hits] == order[:24]
        same = [manifest.identity[exhibits.gallery[p]] == manifest.identity[row] for p in order]
        assert answer.first == same.index(True) + 1
        assert [hit.same for hit in answer.hits] == same[:24]


def test_a_photograph_of_unknown_identity_has_no_right_hits(exhibits: Exhibits):
    """Its whole gallery is ranked."""
    answer = exhibits.search(exhibits.vectors[3], None)
    assert answer.hits[0].image == 3
    assert answer.first is None
    assert {hit.same for hit in answer.hits} == {None}


def test_the_prepared_set_of_an_export_is_looked_for(
    exported: Path, training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Among the sets of all studies in the present folder: one with the training's manifest."""
    prepared = training.parents[4] / "data/prepared/tiny"
    for study in ("another", "one", "two"):
        shutil.copytree(prepared, tmp_path / "data/prepared" / study)
    manifest = tmp_path / "data/prepared/another/synthetic/manifest.csv"
    manifest.write_text(manifest.read_text().replace("query", "gallery"))
    monkeypatch.chdir(tmp_path)
    with open_exhibits(exported) as shown:
        assert len(shown.gallery) == 32
    for study in ("one", "two"):
        shutil.rmtree(tmp_path / "data/prepared" / study)
    found = "Found data/prepared/another/synthetic; name it with `--data`"
    with pytest.raises(DataError, match=found), open_exhibits(exported):
        pass
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match="Found none; name it"), open_exhibits(exported):
        pass


def test_what_is_no_training_and_no_export_is_refused(tmp_path: Path, exported: Path, data: Path):
    """With the sentence that says what was looked for."""
    with pytest.raises(ResultError, match=r"Found neither run\.json nor space\.json"):
        open_exhibits(tmp_path).__enter__()
    other = shutil.copytree(data, tmp_path / "other")
    np.save(other / "images.npy", np.zeros((176, 24, 16, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"images of \(16, 16, 3\).* Found \(24, 16, 3\)"):
        open_exhibits(exported, other).__enter__()
    shutil.copytree(exported, tmp_path / "export")
    space = json.loads((exported / "space.json").read_text())
    (tmp_path / "export/space.json").write_text(json.dumps(space)[:-9])
    with pytest.raises(ResultError, match="must be written by `sfsc export`"):
        open_exhibits(tmp_path / "export", data).__enter__()
