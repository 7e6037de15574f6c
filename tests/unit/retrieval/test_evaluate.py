"""From a run to its embeddings and tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from sfsc.data.manifest import Manifest
from sfsc.errors import ResultError
from sfsc.retrieval import evaluate as stage
from sfsc.retrieval.arrays import Float32s
from sfsc.retrieval.evaluate import evaluate, summarise
from sfsc.retrieval.rerankings.k_reciprocal import Settings as Reranking
from sfsc.settings.sections import Evaluate

SECTION = Evaluate(average_precision="trapezoidal", ranks=(1, 3))
RUN = {"dataset": "synthetic", "method": "sfsc", "seed": 3, "widths": [0.125, 1.0]}
FILES = ("embeddings.safetensors", "cross_test.json", "query_metrics.safetensors")


def run_stage(run_dir: Path, data_dir: Path, section: Evaluate = SECTION) -> dict[str, Any]:
    """Evaluate into the run's folder and return `cross_test.json`."""
    evaluate(section, run_dir, data_dir, run_dir, threads=1)
    content: dict[str, Any] = json.loads((run_dir / "cross_test.json").read_text())
    return content


def embed_as(monkeypatch: pytest.MonkeyPatch, query: Float32s, gallery: Float32s) -> None:
    """Let the network embed 2 queries and 3 gallery images as these vectors, (M, rows, D)."""
    vectors = {2: query, 3: gallery}
    monkeypatch.setattr(stage, "extract_embeddings", lambda *args, **_: vectors[len(args[2])])


@pytest.fixture
def _swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sub-model swaps the queries, the second is perfect."""
    axes = np.eye(3, dtype=np.float32)
    query = np.stack([axes[[1, 0]], axes[[0, 1]]])
    embed_as(monkeypatch, query, np.stack([axes, axes]))


def test_the_file_holds_unit_vectors_of_query_and_gallery(run_dir: Path, data_dir: Path):
    """float32, (M, Q, D) and (M, G, D), with the run's names; no other file is left."""
    run_stage(run_dir, data_dir)
    with safe_open(run_dir / FILES[0], framework="numpy") as file:
        query, gallery = file.get_tensor("query"), file.get_tensor("gallery")
        run = json.loads(file.metadata()["run"])
    assert (query.shape, gallery.shape) == ((2, 2, 8), (2, 3, 8))
    assert query.dtype == np.float32
    assert np.linalg.norm(gallery, axis=-1) == pytest.approx(1, abs=1e-6)
    assert run == RUN
    assert {path.name for path in run_dir.iterdir()} == {*FILES, "model.safetensors", "run.json"}


def test_evaluating_again_gives_the_same_bytes(run_dir: Path, data_dir: Path):
    """The files are a function of weights and images."""
    written = []
    for _ in range(2):
        run_stage(run_dir, data_dir)
        written.append([(run_dir / name).read_bytes() for name in FILES])
    assert written[0] == written[1]


@pytest.mark.usefixtures("_swapped")
def test_the_file_names_run_protocol_and_matrices(run_dir: Path, data_dir: Path):
    """Rows are query sub-models; junk (identity -1) is no rank; fractions, not percent."""
    found = run_stage(run_dir, data_dir)
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


@pytest.mark.usefixtures("_swapped")
def test_the_matrices_are_the_means_of_the_queries(run_dir: Path, data_dir: Path):
    """The third file has every cell of every query, the queries' identities, and the run."""
    matrices = run_stage(run_dir, data_dir)["matrices"]
    stored = load_file(run_dir / FILES[2])
    manifest = Manifest.load(data_dir / "manifest.csv")
    assert stored.pop("identity").tolist() == manifest.identity[manifest.rows("query")].tolist()
    assert set(stored) == set(matrices)
    for name, values in stored.items():
        assert values.dtype == np.float32
        assert values.shape == (2, 2, 2)
        assert values.mean(axis=-1).tolist() == matrices[name]
    with safe_open(run_dir / FILES[2], framework="numpy") as file:
        assert json.loads(file.metadata()["run"]) == RUN


def test_a_re_ranked_test_says_so(run_dir: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    """The file holds the settings; here the second query's positive falls to a later rank."""
    vectors = np.random.default_rng(25).integers(-3, 4, (5, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embed_as(monkeypatch, vectors[None, :2], vectors[None, 2:])
    for reranking, share in ((None, 1.0), (Reranking(k1=2, k2=1, original_weight=0.3), 0.5)):
        section = SECTION.model_copy(update={"reranking": reranking})
        found = run_stage(run_dir, data_dir, section)
        assert found["matrices"]["cmc_1"] == [[share]]
    expected = {"name": "k_reciprocal", "k1": 2, "k2": 1, "original_weight": 0.3}
    assert found["reranking"] == expected


def test_one_network_has_no_off_diagonal():
    """The mean over nothing is null."""
    assert summarise(np.array([[0.5]]))["off_diagonal_map"] is None


def test_embeddings_that_are_not_finite_are_refused(
    run_dir: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    """No file is written."""
    vectors = np.full((1, 3, 3), np.nan, dtype=np.float32)
    embed_as(monkeypatch, vectors[:, :2], vectors)
    with pytest.raises(ResultError) as error:
        evaluate(SECTION, run_dir, data_dir, run_dir, threads=1)
    assert str(error.value) == (
        f"{run_dir} must be a run that can be tested on {data_dir}. `query` must hold finite "
        "float32 values. Found float32 with values that are not finite."
    )
    assert not any((run_dir / name).exists() for name in FILES)


def test_a_run_without_its_record_is_refused(run_dir: Path, data_dir: Path):
    """The sentence names the file and the mend."""
    record = json.loads((run_dir / "run.json").read_text())
    del record["seed"]
    (run_dir / "run.json").write_text(json.dumps(record))
    with pytest.raises(ResultError) as error:
        evaluate(SECTION, run_dir, data_dir, run_dir, threads=1)
    assert str(error.value) == (
        f"{run_dir / 'run.json'} must be the record of a finished training. "
        "Found: KeyError('seed'). Train it again."
    )
