"""An export holds what the training was tested with."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from finished_trainings import write_training

from sfsc.cli import main
from sfsc.data.prepared import PreparedSet
from sfsc.deploy import export as module
from sfsc.deploy.accuracy import embed_split, mean_average_precision
from sfsc.deploy.export import export
from sfsc.deploy.model import OnnxEmbedder
from sfsc.deploy.space import read_space
from sfsc.errors import ResultError
from sfsc.networks.serving import load_submodel_file


def test_map_of_the_files_is_the_reports(training: Path, exported: Path, data: Path):
    """The whole matrix, from the exported files alone, to 0.01 points."""
    tested = json.loads((training / "cross_test.json").read_text())["matrices"]["map_step"]
    prepared, space = PreparedSet.open(data), read_space(exported)
    models = [OnnxEmbedder.load(exported / f.onnx) for f in space.files.values()]
    query, gallery = (
        [embed_split(model, prepared, split) for model in models] for split in ("query", "gallery")
    )
    matrix = [[mean_average_precision(q, g, prepared) for g in gallery] for q in query]
    np.testing.assert_allclose(matrix, tested, atol=1e-4)
    assert list(space.map_against_full.values()) == [row[-1] for row in tested]


def test_safetensors_are_the_same_model(exported: Path, full: OnnxEmbedder, data: Path):
    """Torch loads them without the training."""
    images = np.array(PreparedSet.open(data).images[:5])
    vectors = load_submodel_file(exported / "width-1.safetensors").predict(images)
    np.testing.assert_allclose(full.embed(images), vectors, atol=1e-5)


def test_space_names_every_file_and_number(exported: Path):
    """`space.json` is complete: a key per width, files that exist, costs that grow with it."""
    space = read_space(exported)
    keys = {"0.25", "1"}
    for table in (space.files, space.macs, space.parameters, space.latency_ms, space.int8):
        assert table.keys() == keys
    for files in space.files.values():
        assert all((exported / name).is_file() for name in files.model_dump().values())
    assert set(space.spaces.values()) == {space.space}
    assert space.macs["0.25"] < space.macs["1"]
    assert space.thresholds.keys() == {f"{q}->{g}" for q in keys for g in keys}
    assert all(measured.cosine > 0.9 for measured in space.int8.values())


def test_equal_weights_are_equal_spaces(exported: Path, tmp_path: Path):
    """The digest does not depend on time or place; other weights are another space."""
    again = write_training(tmp_path / "again")
    other = write_training(tmp_path / "other", seed=1)
    first, second = (
        module.describe_models(module.Finished.open(folder))[0].space for folder in (again, other)
    )
    assert first == read_space(exported).space
    assert second != first


def test_networks_trained_apart_have_a_space_each(tmp_path: Path):
    """No threshold compares two of them."""
    space = export(write_training(tmp_path, kind="each"), tmp_path / "exported")
    assert space.spaces["1"] == space.space
    assert space.spaces["0.25"] != space.space
    assert space.thresholds.keys() == {"0.25->0.25", "1->1"}


def test_the_card_states_data_licence_and_accuracy(training: Path, exported: Path, tmp_path: Path):
    """Its numbers are the results'; the unified model is compared where it was trained."""
    card = (exported / "card.md").read_text()
    best = json.loads((training / "cross_test.json").read_text())["matrices"]["map_step"][1][1]
    assert f"| 1 | {100 * best:.1f} |" in card
    assert "Apache-2.0 (rendered by this project)" in card
    assert "one small model" not in card
    root = tmp_path / "project"
    shutil.copytree(training.parents[4], root)
    run = root / training.relative_to(training.parents[4])
    unified = run.parents[1] / "unified" / run.name
    shutil.copytree(run, unified)
    for name in ("run.json", "cross_test.json"):
        content = json.loads((unified / name).read_text())
        content["widths"] = [0.25]
        if "matrices" in content:
            content["matrices"] = {"map_step": [[0.9999]]}
        (unified / name).write_text(json.dumps(content))
    export(run, tmp_path / "exported")
    card = (tmp_path / "exported" / "card.md").read_text()
    assert "reaches 100.0 % with this seed. Worse than it: width 0.25 (" in card


def test_a_file_that_differs_from_torch_is_refused(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One sentence, and no file of the export."""
    embed = OnnxEmbedder.embed
    monkeypatch.setattr(OnnxEmbedder, "embed", lambda self, images: embed(self, images) + 2e-5)
    with pytest.raises(ResultError) as error:
        export(training, tmp_path)
    assert str(error.value).startswith(
        "Embeddings of width-0_25.onnx must be torch's within 1e-05. Found a difference of 2e-05."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_training_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The command fails and names the file."""
    assert main(["export", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith(f"ResultError: {tmp_path}/run.json must be readable.")
    assert not (tmp_path / "out").exists()


def test_a_damaged_space_is_one_sentence(exported: Path, tmp_path: Path):
    """It names the file, the first wrong value and the command."""
    space = json.loads((exported / "space.json").read_text())
    del space["data"]
    for text, found in ((json.dumps(space), "`data`: Field required"), ("{", "Invalid JSON: EOF")):
        (tmp_path / "space.json").write_text(text)
        with pytest.raises(ResultError) as caught:
            read_space(tmp_path)
        path = tmp_path / "space.json"
        assert str(caught.value).startswith(
            f"{path} must be written by `sfsc export`. Found: {found}"
        )
        assert str(caught.value).endswith(". Export it again.")
        assert "pydantic" not in str(caught.value)
