"""Every mistake in the parameters is a sentence with key, rule and found value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfsc.config import Part
from sfsc.errors import ConfigError
from sfsc.params import Params, load_params, merge, parse_params

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
        (
            {"seeds": [0, 1, 2, 3, 4, 0]},
            "`seeds` must not repeat an entry. Found [0, 1, 2, 3, 4, 0].",
        ),
        ({"seeds": [-1]}, "`seeds.0` should be greater than or equal to 0. Found `-1`."),
        ({"seeds": []}, "`seeds` should have at least 1 item. Found `[]`."),
        (
            {"datasets": ["market"]},
            (
                "`datasets.0` should be custom or market1501 or msmt17 or omniglot or synthetic or "
                "veri776, a file of sfsc/data/sets. Found `'market'`."
            ),
        ),
        (
            {"compare": ["sfcs"]},
            "`compare` must name rows of `methods`. Found 'sfcs'. Did you mean 'sfsc'?",
        ),
        (
            {"study": "My study"},
            "`study` should match pattern '^[a-z][a-z0-9_-]*$'. Found `'My study'`.",
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
            {"methods": {"mine": {"variant_of": "asymmetric_triplet"}}},
            (
                "`methods.mine.variant_of` must name another row of `methods` that is no variant "
                "itself. Found 'asymmetric_triplet'. Did you mean 'asymmetric_s'?"
            ),
        ),
        (
            {"methods": {"mine": {"networks": "each", "reference": "sfsc"}}},
            ("`methods.mine.reference` must name a row with `networks: each`. Found 'sfsc'."),
        ),
        (
            {"methods": {"mine": {"networks_of": "indepndent"}}},
            (
                "`methods.mine.networks_of` must name a row with `networks: each`. Found "
                "'indepndent'. Did you mean 'independent'?"
            ),
        ),
        (
            {"variation_seeds": [0, 7]},
            "`variation_seeds` must be some of `seeds`. Found [0, 7] and [0, 1, 2, 3, 4].",
        ),
        (
            {"search": {"mine": {"methods": ["sfcs"], "vary": "loss.kl_weight", "values": [1.0]}}},
            (
                "`search.mine.methods` must name rows of `methods`. Found 'sfcs'. Did you mean "
                "'sfsc'?"
            ),
        ),
        (
            {"ablation": {"mine": {"methods": ["sfsc"]}}},
            "ablation.mine: A variation must have either `vary` and `values` or `conditions`.",
        ),
        (
            {"ablation": {"mine": {"methods": ["sfsc"], "vary": "train.epochs", "values": [1]}}},
            (
                "ablation.mine: `vary` must be a key of network, loss or aggregation, say "
                "loss.kl_weight. Found 'train.epochs'."
            ),
        ),
        (
            {"ablation": {"mine": {"methods": ["sfsc"], "vary": "loss.kl_weight", "values": [-1]}}},
            "`mine.-1.loss.kl_weight` should be greater than or equal to 0. Found `-1`.",
        ),
        (
            {"ablation": {"mine": {"methods": ["sfsc"], "conditions": {"A b": {"loss": {}}}}}},
            (
                "ablation.mine: A condition names folders and must consist of a-z, 0-9, '_', '-' "
                "and '.'. Found 'A b'."
            ),
        ),
        (
            {"ablation": {"mine": {"methods": ["unified"], "vary": "loss.margin", "values": [1]}}},
            (
                "`mine.methods` must not have rows with `networks_of` where conditions change "
                "settings: those are another row's. Found 'unified'."
            ),
        ),
        (
            {
                "robustness": {
                    "mine": {"methods": ["bct"], "vary": "network.embedding_dim", "values": [64]}
                }
            },
            (
                "`mine.methods` must not have rows with `reference` where conditions change "
                "networks: those are another row's. Found 'bct'."
            ),
        ),
        (
            {"data": {"sinthetic": {}}},
            "data: `sinthetic` is not a known key. Did you mean 'synthetic'?",
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
    assert plain.network == params.network
    assert plain.loss.label_smoothing == params.loss.label_smoothing
    for method in ("bct_s", "sfsc"):
        row, job = params.methods[method], params.resolve(method, dataset="synthetic", seed=1)
        assert row.loss
        assert row.aggregation
        assert row.loss.items() <= job.loss.model_dump().items()
        assert row.aggregation.items() <= job.aggregation.model_dump().items()


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
    assert job.loss.compatible_weight == params.methods["sfsc"].loss["compatible_weight"] > 0
    assert (params.rule_of("mine"), params.rule_of("sfsc")) == ("sfsc", "sfsc")


def test_one_to_one_methods_have_a_network_for_each_width(params: Params):
    """Smaller networks are a method's own, the full one is its reference's, trained once."""
    small = params.network.widths[:-1]
    assert params.parts("sfsc") == ()
    assert params.parts("independent") == tuple(
        Part("independent", width) for width in params.network.widths
    )
    assert params.parts("unified") == params.parts("independent")[:1]
    assert params.parts("full_alone") == params.parts("independent")[-1:]
    assert params.parts("bct") == (
        *(Part("bct", width) for width in small),
        Part("independent", 1.0),
    )
    job = params.resolve("bct", dataset="synthetic", seed=0, width=small[0])
    assert (job.network.widths, job.reference) == (small[:1], "independent")


def test_a_variation_is_a_run_for_each_condition():
    """A condition that equals a compared row is that row, and is not trained again."""
    kl_weight = load_params([PARAMS]).loss.kl_weight
    varied = {"methods": ["sfsc"], "vary": "loss.kl_weight", "values": [0.0, kl_weight, 0.5]}
    params = parse_params(tree(ablation={"parts": None}, robustness={"mine": varied}))
    conditions = params.study_job().robustness["mine"]
    assert [(c.condition, c.run) for c in conditions] == [
        ("0", "sfsc@mine=0"),
        (f"{kl_weight:g}", "sfsc"),
        ("0.5", "sfsc@mine=0.5"),
    ]
    assert params.runs()["sfsc"] == params.seeds
    assert params.runs()["sfsc@mine=0.5"] == params.variation_seeds
    assert (params.rule_of("sfsc@mine=0.5"), params.rule_of("sfsc")) == ("mine", "sfsc")
    assert params.resolve("sfsc@mine=0.5", dataset="synthetic", seed=0).loss.kl_weight == 0.5


def test_a_choice_does_not_rename_the_candidates():
    """A candidate is a run of its own, even if params.yaml has its settings."""
    kl_weight = load_params([PARAMS]).loss.kl_weight
    varied = {"methods": ["sfsc"], "vary": "loss.kl_weight", "values": [kl_weight]}
    (candidate,) = parse_params(tree(search={"mine": varied})).study_job().search["mine"]
    assert candidate.run == f"sfsc@mine={kl_weight:g}"


def test_two_names_of_the_same_settings_are_one_run():
    """A compared row that SFSC without both of its parts equals is not trained again."""
    row = {"loss": {"compatible_weight": 0.0}, "aggregation": {"aggregator": "mean"}}
    methods = {"plain": {"variant_of": "sfsc", **row}}
    params = parse_params(tree(methods=methods, compare=["plain", "sfsc"]))
    runs = {c.condition: c.run for c in params.study_job().ablation["parts"]}
    assert (runs["full_method"], runs["without_both"]) == ("sfsc", "plain")


@pytest.mark.parametrize(
    ("compare", "method", "n_widths"),
    [
        (["unified", "bct", "bct_s", "sfsc"], "bct_s", 4),
        (["unified", "bct"], "unified", 1),
    ],
)
def test_the_first_switchable_row_is_measured(compare: list[str], method: str, n_widths: int):
    """The first row where none is; the weights that a training starts from are no part of it."""
    params = parse_params(tree(compare=compare, network={"pretrained": "weights.pth"}))
    job = params.measure_job("synthetic")
    assert (job.dataset, job.method, len(job.network.widths)) == ("synthetic", method, n_widths)
    assert job.network.pretrained is None


def test_parameters_are_frozen(params: Params):
    """Nothing can be written back into the configuration."""
    with pytest.raises(ValueError, match="frozen"):
        params.train.epochs = 1
