"""Every mistake in the parameters is a sentence with key, rule and found value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfsc.config import (
    Evaluate,
    Params,
    PrepareJob,
    TrainJob,
    load_params,
    load_slice,
    merge,
    parse_params,
)
from sfsc.errors import ConfigError
from sfsc.provenance import write_fingerprint

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params.yaml"


def tree(**overlay: object) -> dict[str, Any]:
    """Return the project's parameters with an overlay."""
    return merge(yaml.safe_load(PARAMS.read_text()), overlay)


def problems(overlay: Mapping[str, object]) -> list[str]:
    """Return the sentences that refuse an overlay."""
    with pytest.raises(ConfigError) as caught:
        parse_params(tree(**overlay))
    head, *lines = str(caught.value).splitlines()
    assert head == f"params.yaml is not valid ({len(lines)} problem{'s'[: len(lines) > 1]}):"
    assert all(line.startswith("  - ") for line in lines)
    return [line.removeprefix("  - ") for line in lines]


@pytest.mark.parametrize(
    "study", [None, *sorted((ROOT / "studies").glob("*.yaml"))], ids=lambda p: p and p.stem
)
def test_params_and_every_study_are_valid(study: Path | None):
    """What the project ships can be run, and a study names itself."""
    params = load_params([PARAMS, study] if study else [PARAMS])
    assert params.study == (study.stem if study else "default")


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ({"train": {"epochz": 3}}, "`train.epochz` is not a known key. Did you mean 'epochs'?"),
        ({"qqq": 3}, "`qqq` is not a known key."),
        ({"train": None}, "`train` should be a mapping of keys. Found `None`."),
        (
            {"train": {"learning_rate": -1}},
            "`train.learning_rate` should be greater than 0. Found `-1`.",
        ),
        (
            {"train": {"optimizer": "sdg"}},
            "`train.optimizer` should be 'sgd' or 'adam'. Found `'sdg'`.",
        ),
        (
            {"train": {"epochs": 1.5}},
            (
                "`train.epochs` should be a valid integer, got a number with a fractional part. "
                "Found `1.5`."
            ),
        ),
        (
            {"loss": {"kl_weight": float("nan")}},
            "`loss.kl_weight` should be a finite number. Found `nan`.",
        ),
        ({"seeds": [0, 0]}, "`seeds` must not repeat an entry. Found [0, 0]."),
        ({"seeds": [-1]}, "`seeds.0` should be greater than or equal to 0. Found `-1`."),
        ({"seeds": []}, "`seeds` should have at least 1 item. Found `[]`."),
        (
            {"datasets": ["market"]},
            "`datasets.0` should be 'synthetic' or 'omniglot'. Found `'market'`.",
        ),
        (
            {"compare": ["sfcs"]},
            "`compare` must name rows of `methods`. Found 'sfcs'. Did you mean 'sfsc'?",
        ),
        (
            {"study": "My study"},
            "`study` should match pattern '^[a-z][a-z0-9_]*$'. Found `'My study'`.",
        ),
        (
            {"network": {"widths": [0.5, 0.25, 1.0]}},
            "network: `widths` must be ascending and lie in (0, 1]. Found [0.5, 0.25, 1.0].",
        ),
        (
            {"network": {"widths": [0.25, 0.5]}},
            "`network.widths` must end with 1.0. Found [0.25, 0.5].",
        ),
        (
            {"data": {"synthetic": {"cameras": 6, "cameras_per_identity": 7}}},
            (
                "data.synthetic: `cameras_per_identity` must not exceed `cameras`. Found "
                "`cameras_per_identity = 7`, `cameras = 6`."
            ),
        ),
        (
            {"augmentation": {"synthetic": {"scale": [1.1, 0.9]}}},
            "augmentation.synthetic: `scale` must be [smallest, largest]. Found [1.1, 0.9].",
        ),
        (
            {"evaluate": {"ranks": [5]}},
            "evaluate: `ranks` must contain 1, which the tables show. Found [5].",
        ),
        (
            {"methods": {"mine": {"loss": {"evidnce": "exp"}}}},
            "`methods.mine.loss.evidnce` is not a known key. Did you mean 'evidence'?",
        ),
        (
            {"methods": {"mine": {"variant_of": "sfcs"}}},
            (
                "`methods.mine.variant_of` must name another row of `methods` that is no variant "
                "itself. Found 'sfcs'. Did you mean 'sfsc'?"
            ),
        ),
        (
            {"methods": {"mine": {"variant_of": "bct_s_classifier_all"}}},
            (
                "`methods.mine.variant_of` must name another row of `methods` that is no variant "
                "itself. Found 'bct_s_classifier_all'."
            ),
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_a_mistake_is_one_sentence(overlay: dict[str, object], sentence: str):
    """The sentence has the key, what must hold and what was found."""
    assert problems(overlay) == [sentence]


def test_all_mistakes_are_reported_at_once():
    """Mistakes of several sections come together."""
    found = problems({"train": {"epochs": 0, "epochz": 1}, "evaluate": {"ranks": [0]}})
    assert sorted(found) == [
        "`evaluate.ranks.0` should be greater than or equal to 1. Found `0`.",
        "`train.epochs` should be greater than or equal to 1. Found `0`.",
        "`train.epochz` is not a known key. Did you mean 'epochs'?",
    ]


def test_a_missing_key_is_named():
    """A key that is not set has no hidden default."""
    broken = tree()
    del broken["train"]["epochs"]
    with pytest.raises(ConfigError, match=r"  - `train\.epochs` must be set\. Found nothing\.$"):
        parse_params(broken)


def test_a_data_set_without_augmentation_is_refused():
    """Each data set of the study says how it is augmented."""
    broken = tree()
    del broken["augmentation"]["synthetic"]
    with pytest.raises(ConfigError, match="Found none for 'synthetic'"):
        parse_params(broken)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "{path} must be a readable YAML file. Found: while parsing a flow node"),
        ("- 1", "{path} must hold a mapping of sections. Found a list."),
        (None, "{path} must be a readable YAML file. Found: [Errno 2] No such file"),
    ],
    ids=["broken", "list", "missing"],
)
def test_unreadable_file_is_named(content: str | None, sentence: str, tmp_path: Path):
    """The file is in the sentence, not a traceback."""
    path = tmp_path / "study.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_params([PARAMS, path])
    assert str(caught.value).startswith(sentence.format(path=path))


def test_later_files_win_key_by_key(tmp_path: Path):
    """An overlay changes its keys and leaves the others of their section."""
    path = tmp_path / "study.yaml"
    path.write_text("study: mine\ntrain: {epochs: 7}\n")
    base, params = load_params([PARAMS]), load_params([PARAMS, path])
    assert (params.study, params.train.epochs) == ("mine", 7)
    assert params.train.model_dump(exclude={"epochs"}) == base.train.model_dump(exclude={"epochs"})


@pytest.fixture
def params() -> Params:
    """The project's parameters."""
    return load_params([PARAMS])


def test_a_row_overlays_the_sections(params: Params):
    """A method's settings are the sections' with the row's values."""
    plain = params.resolve("bct_s", dataset="synthetic", seed=1)
    assert (plain.method, plain.seed, plain.dataset) == ("bct_s", 1, "synthetic")
    assert (plain.loss, plain.aggregation) == (params.loss, params.aggregation)
    assert plain.network == params.network
    ours = params.resolve("sfsc", dataset="synthetic", seed=1)
    assert ours.loss == params.loss.model_copy(update={"compatible_weight": 1.0})
    assert ours.aggregation.aggregator == "projection"


def test_switches_choose_the_widths(params: Params):
    """A network trained alone has one width."""
    widths = {
        run: params.resolve(run, dataset="synthetic", seed=0).network.widths
        for run in ("unified", "full_alone", "sfsc")
    }
    assert widths == {
        "unified": params.network.widths[:1],
        "full_alone": (1.0,),
        "sfsc": params.network.widths,
    }


def test_a_variant_starts_from_its_row():
    """A variant has its row's values where it does not change them, and is trained by its rule."""
    methods = {"mine": {"variant_of": "sfsc", "aggregation": {"granularity": "whole"}}}
    params = parse_params(tree(methods=methods))
    job = params.resolve("mine", dataset="synthetic", seed=0)
    assert (job.aggregation.aggregator, job.aggregation.granularity) == ("projection", "whole")
    assert job.loss.compatible_weight == 1.0
    assert (params.family("mine"), params.family("sfsc")) == ("sfsc", "sfsc")


def test_slices_survive_their_file(params: Params, tmp_path: Path):
    """What a stage reads back is what the workflow wrote."""
    slices = [
        params.prepare_job("synthetic"),
        params.prepare_job("omniglot"),
        params.resolve("sfsc", dataset="synthetic", seed=2),
        params.evaluate,
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


def test_parameters_are_frozen(params: Params):
    """Nothing can be written back into the configuration."""
    with pytest.raises(ValueError, match="frozen"):
        params.train.epochs = 1
