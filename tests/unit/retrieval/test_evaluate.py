"""From stored embeddings to `cross_test.json`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import sfsc.device
import sfsc.retrieval.gpu
from sfsc.config import Evaluate, Reranking
from sfsc.data.manifest import Manifest
from sfsc.errors import ResultError
from sfsc.retrieval import evaluate as stage
from sfsc.retrieval.evaluate import evaluate, summarise
from sfsc.retrieval.gpu import GalleryOnGPU
from sfsc.retrieval.products import Float32s
from sfsc.retrieval.stored import load_embeddings

SECTION = Evaluate(average_precision="trapezoidal", ranks=(1, 3))
RUN = {"dataset": "synthetic", "method": "sfsc", "seed": 0, "widths": [0.5, 1.0]}


def write_embeddings(
    folder: Path, n_query: int = 2, metadata: dict[str, str] | None = None
) -> Path:
    """Write embeddings whose second sub-model is perfect and whose first queries are swapped."""
    axes = np.eye(3, dtype=np.float32)
    query = np.stack([axes[[1, 0]], axes[[0, 1]]])[:, :n_query]
    path = folder / "embeddings.safetensors"
    metadata = {"run": json.dumps(RUN)} if metadata is None else metadata
    save_file({"query": query, "gallery": np.stack([axes, axes])}, path, metadata=metadata)
    return path


def test_the_file_names_run_protocol_and_matrices(data_dir: Path, tmp_path: Path):
    """Rows are query sub-models; junk (identity -1) is no rank; fractions, not percent."""
    output = tmp_path / "cross_test.json"
    evaluate(
        SECTION, write_embeddings(tmp_path), data_dir, output, tmp_path / "queries.safetensors"
    )
    found: dict[str, Any] = json.loads(output.read_text())
    # Swapped queries: rank 2 of 2 each, precision 1/2 there and 0 just before.
    assert found["matrices"] == {
        "map_step": [[0.5, 0.5], [1, 1]],
        "map_trapezoidal": [[0.25, 0.25], [1, 1]],
        "minp": [[0.5, 0.5], [1, 1]],
        "cmc_1": [[0, 0], [1, 1]],
        "cmc_3": [[1, 1], [1, 1]],
    }
    assert found["summary"] == {
        "average_map": 0.625, "diagonal_map": 0.625, "off_diagonal_map": 0.625, "worst_map": 0.25
    }  # fmt: skip
    keys = ("average_precision", "reranking", "n_query", "n_gallery", "n_skipped_queries")
    assert [found[key] for key in keys] == ["trapezoidal", None, 2, 3, 0]
    assert {key: found[key] for key in RUN} == RUN


def test_the_matrices_are_the_means_of_the_queries(data_dir: Path, tmp_path: Path):
    """The second file has every cell of every query, the queries' identities, and the run."""
    output, queries = tmp_path / "cross_test.json", tmp_path / "query_metrics.safetensors"
    evaluate(SECTION, write_embeddings(tmp_path), data_dir, output, queries)
    matrices = json.loads(output.read_text())["matrices"]
    stored = load_file(queries)
    manifest = Manifest.load(data_dir / "manifest.csv")
    assert stored.pop("identity").tolist() == manifest.identity[manifest.rows("query")].tolist()
    assert set(stored) == set(matrices)
    for name, values in stored.items():
        assert values.dtype == np.float32
        assert values.shape == (2, 2, 2)
        assert values.mean(axis=-1).tolist() == matrices[name]
    with safe_open(queries, framework="numpy") as file:
        assert json.loads(file.metadata()["run"]) == RUN


def test_a_re_ranked_test_says_so(data_dir: Path, tmp_path: Path):
    """The file holds the settings; here the second query's positive falls behind."""
    vectors = np.random.default_rng(25).integers(-3, 4, (5, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    path, output = tmp_path / "embeddings.safetensors", tmp_path / "cross_test.json"
    tensors = {"query": vectors[None, :2], "gallery": vectors[None, 2:].copy()}
    save_file(tensors, path, metadata={"run": json.dumps(RUN)})
    for reranking, share in ((None, 1.0), (Reranking(k1=2, k2=1, original_weight=0.3), 0.5)):
        section = SECTION.model_copy(update={"reranking": reranking})
        evaluate(section, path, data_dir, output, tmp_path / "queries.safetensors")
        found = json.loads(output.read_text())
        assert found["matrices"]["cmc_1"] == [[share]]
    assert found["reranking"] == {"k1": 2, "k2": 1, "original_weight": 0.3}


def test_one_submodel_is_read_at_a_time(tmp_path: Path):
    """Of the file's bytes, an array holds one sub-model's."""
    path = write_embeddings(tmp_path)
    stored, whole = load_embeddings(path), load_file(path)
    for split, of_split in (("query", stored.query), ("gallery", stored.gallery)):
        assert len(of_split) == 2
        for switch in (0, 1, -1):
            assert np.array_equal(of_split[switch], whole[split][switch])


def test_one_network_has_no_off_diagonal():
    """The mean over nothing is null."""
    assert summarise(np.array([[0.5]]))["off_diagonal_map"] is None


def test_embeddings_of_another_set_are_refused(data_dir: Path, tmp_path: Path):
    """As many rows as the set has queries."""
    path = write_embeddings(tmp_path, n_query=1)
    with pytest.raises(ResultError) as error:
        evaluate(SECTION, path, data_dir, tmp_path / "cross_test.json", tmp_path / "queries")
    assert str(error.value) == (
        f"{path} must fit the prepared set {data_dir}. `query` must have the shape (sub-models, "
        "images, D) and a label for each image. Found shape (2, 1, 3), 2 identities and 2 cameras. "
        "Embed it again."
    )
    assert not (tmp_path / "cross_test.json").exists()
    assert not (tmp_path / "queries").exists()


@pytest.mark.parametrize("damage", ["missing", "truncated", "nameless"])
def test_damaged_embeddings_are_refused(damage: str, data_dir: Path, tmp_path: Path):
    """One sentence with the file's name and the mend."""
    path = write_embeddings(tmp_path, metadata={} if damage == "nameless" else None)
    if damage == "missing":
        path.unlink()
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(
        ResultError, match=r"must be a file written by `sfsc embed`. Found: .* Embed"
    ):
        evaluate(SECTION, path, data_dir, tmp_path / "cross_test.json", tmp_path / "queries")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[Float32s]:
    """A GPU that computes on the CPU; the galleries that lie on it."""
    galleries: list[Float32s] = []

    class Recording(GalleryOnGPU):
        def __init__(self, gallery: Float32s, device: torch.device) -> None:
            assert device.type == "cuda"
            galleries.append(gallery)
            super().__init__(gallery, torch.device("cpu"))

    monkeypatch.setattr(sfsc.device, "best_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(sfsc.retrieval.gpu, "GalleryOnGPU", Recording)
    return galleries


@pytest.mark.parametrize(
    "reranking", [None, Reranking(k1=2, k2=1, original_weight=0.3)], ids=["plain", "reranked"]
)
def test_large_galleries_are_searched_on_the_gpu(
    reranking: Reranking | None,
    gpu: list[Float32s],
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """With the same files; small ones are not."""
    section = Evaluate(average_precision="step", ranks=(1, 3), reranking=reranking)
    written = []
    for number, least in enumerate((stage.WORTH_A_GPU, 6)):  # 2 queries x 3 gallery images
        monkeypatch.setattr(stage, "WORTH_A_GPU", least)
        outputs = [tmp_path / f"{number}.json", tmp_path / f"{number}.safetensors"]
        evaluate(section, write_embeddings(tmp_path), data_dir, *outputs)
        written.append([path.read_bytes() for path in outputs])
        assert bool(gpu) == (least == 6)
    assert written[0] == written[1]


def test_a_test_split_of_the_paper_is_large():
    """VeRi-776's is the smallest: 1,678 queries, 11,579 gallery images."""
    assert stage.WORTH_A_GPU <= 1_678 * 11_579
