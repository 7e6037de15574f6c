"""A slice of the parameters is read back as it was written, or refused with a sentence."""

from pathlib import Path

import pytest

from sfsc.errors import ConfigError
from sfsc.provenance import write_fingerprint
from sfsc.settings.experiment import Params, load_params
from sfsc.settings.jobs import PrepareJob, TrainJob, load_slice
from sfsc.settings.sections import Evaluate

PARAMS = Path(__file__).parents[3] / "params.yaml"


@pytest.fixture
def params() -> Params:
    """The project's parameters."""
    return load_params([PARAMS])


def test_slices_survive_their_file(params: Params, tmp_path: Path):
    """What a stage reads back is what the workflow wrote."""
    slices = [
        params.prepare_job("synthetic"),
        params.prepare_job("omniglot"),
        params.resolve("sfsc", dataset="synthetic", seed=2),
        params.evaluate,
        params.study_job(),
    ]
    for section in slices:
        path = write_fingerprint(
            tmp_path / "slice.json", section.model_dump(mode="json"), modules=["sfsc.errors"]
        )
        assert load_slice(type(section), path) == section


@pytest.mark.parametrize("content", ["{", "{}", "[]", None])
def test_a_file_that_is_no_fingerprint_is_named(content: str | None, tmp_path: Path):
    """A damaged or missing fingerprint file is one sentence."""
    path = tmp_path / "train.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_slice(TrainJob, path)
    assert str(caught.value).startswith(f"{path} must be a fingerprint file written by the workfl")


def test_the_slice_of_another_stage_is_refused(params: Params, tmp_path: Path):
    """A stage does not run on settings that are not its own."""
    section = params.evaluate.model_dump(mode="json")
    path = write_fingerprint(tmp_path / "evaluate.json", section, modules=["sfsc.errors"])
    assert load_slice(Evaluate, path) == params.evaluate
    with pytest.raises(ConfigError, match="`average_precision` is not a known key"):
        load_slice(PrepareJob, path)
