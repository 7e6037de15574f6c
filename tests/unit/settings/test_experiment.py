"""Every mistake in the parameters is a sentence with key, rule and found value."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import load_yaml

from sfsc.errors import ConfigError
from sfsc.settings.experiment import Params, load_params, parse_params
from sfsc.settings.jobs import NetworkOfRun
from sfsc.settings.problems import sentences_of
from sfsc.settings.reading import merge, read_tree
from sfsc.settings.sections import Augmentation

ROOT = Path(__file__).parents[3]
PARAMS = ROOT / "params.yaml"


def tree(**overlay: object) -> dict[str, Any]:
    """Return the project's parameters with an overlay."""
    return merge(read_tree([PARAMS]), overlay)


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
        ({"train": None}, "`train` should be a mapping of keys. Found `null`."),
        (
            {"train": {"learning_rate": -1}},
            "`train.learning_rate` should be greater than 0. Found `-1`.",
        ),
        (
            {"train": {"optimizer": "sdg"}},
            "`train.optimizer` should be 'sgd' or 'adam'. Found `'sdg'`.",
        ),
        ({"train": {"epochs": 1.5}}, "`train.epochs` should be a whole number. Found `1.5`."),
        ({"train": {"epochs": True}}, "`train.epochs` should be a whole number. Found `true`."),
        ({"train": {"epochs": "3"}}, "`train.epochs` should be a whole number. Found `'3'`."),
        ({"train": {"warmup": "0.1"}}, "`train.warmup` should be a number. Found `'0.1'`."),
        (
            {"augmentation": {"synthetic": {"flip": "yes"}}},
            "`augmentation.synthetic.flip` should be true or false. Found `'yes'`.",
        ),
        ({"seeds": 5}, "`seeds` should be a list. Found `5`."),
        (
            {"train": {"weight_decay": float("nan")}},
            "`train.weight_decay` should be a finite number. Found `nan`.",
        ),
        (
            {"loss": {"base": "arcfcae"}},
            (
                "`loss.base` should be arcface or circle or cosface or softmax, a file of "
                "sfsc/losses/bases. Found `'arcfcae'`."
            ),
        ),
        (
            {"loss": {"base": {"name": "arcface", "mragin": 0.1}}},
            "`loss.base.mragin` is not a known key. Did you mean 'margin'?",
        ),
        (
            {"loss": {"base": {"name": "softmax", "margin": 0.1}}},
            "`loss.base.margin` is not a known key.",
        ),
        (
            {"loss": {"terms": {"tripelt": {}}}},
            (
                "`loss.terms.tripelt` should be asymmetric or compatible or distillation or "
                "influence or triplet, "
                "a file of sfsc/losses/terms. Found `'tripelt'`."
            ),
        ),
        (
            {"loss": {"terms": {"triplet": {"weight": 0.0}}}},
            "`loss.terms.triplet.weight` should be greater than 0. Found `0.0`.",
        ),
        (
            {"aggregation": {"name": "upgrad", "granularity": "kernel"}},
            ("`aggregation.granularity` should be 'nested', 'whole' or 'layer'. Found `'kernel'`."),
        ),
        (
            {"train": {"schedule": "step"}},
            (
                "train: `milestones` must be set with `schedule: step` and null with `schedule: "
                "cosine`. Found `schedule = step`, `milestones = None`."
            ),
        ),
        (
            {"train": {"cuda_graphs": True}},
            ("train: `cuda_graphs` must be false with `device: cpu`. Found `cuda_graphs = true`."),
        ),
        (
            {"methods": {"bct": {"loss": {"terms": {"compatible": {}}}}}},
            (
                "`methods.bct.loss.terms.compatible` needs the sub-models of a switchable network. "
                "Found networks of one width; drop the term with `compatible: null`."
            ),
        ),
        (
            {"methods": {"independent": {"loss": {"terms": {"influence": {}}}}}},
            (
                "`methods.independent.loss.terms.influence` needs a network to be compatible with: "
                "a switchable one, or the row's `reference`. Found neither; drop the term with "
                "`influence: null`."
            ),
        ),
        (
            {"methods": {"bct": {"aggregation": "mean"}}},
            (
                "`methods.bct.aggregation` must not be set: each of the run's networks has one "
                "width, and thus one gradient and no sub-models."
            ),
        ),
        (
            {"methods": {"bct": {"loss": {"submodels": {"base_weight": 2.0}}}}},
            (
                "`methods.bct.loss.submodels` must not be set: each of the run's networks has one "
                "width, and thus one gradient and no sub-models."
            ),
        ),
        (
            {
                "methods": {
                    "mine": {
                        "loss": {"submodels": {"base_weight": 0.0}, "terms": {"triplet": None}}
                    }
                }
            },
            (
                "`methods.mine.loss.submodels.base_weight` must be above 0 where `loss.terms` is "
                "empty: the sub-models would have no loss. Found `base_weight = 0`."
            ),
        ),
        (
            {"methods": {"unified": {"loss": {"base": "arcface"}}}},
            (
                "`methods.unified` must not change settings: its networks are those of "
                "`independent`. Found `loss`."
            ),
        ),
        (
            {"seeds": [0, 1, 2, 3, 4, 0]},
            "`seeds` must not repeat an entry. Found [0, 1, 2, 3, 4, 0].",
        ),
        ({"seeds": [-1]}, "`seeds.0` should be greater than or equal to 0. Found `-1`."),
        ({"seeds": []}, "`seeds` should have at least 1 item. Found `[]`."),
        (
            {"data": {"market": {}}},
            (
                "`data.market` should be custom or fruits360 or grocery or market1501 or msmt17 or "
                "omniglot or synthetic or veri776, a file of sfsc/data/sets. Found `'market'`."
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
            {"methods": {"mine": {"loss": {"terms": {"compatible": {"evidnce": "exp"}}}}}},
            (
                "`methods.mine.loss.terms.compatible.evidnce` is not a known key. Did you mean "
                "'evidence'?"
            ),
        ),
        (
            {"methods": {"mine": {"variant_of": "sfcs"}}},
            (
                "`methods.mine.variant_of` must name a row of `methods` that is not a variant "
                "itself. Found 'sfcs'. Did you mean 'sfsc'?"
            ),
        ),
        (
            {"methods": {"mine": {"variant_of": "asymmetric_triplet"}}},
            (
                "`methods.mine.variant_of` must name a row of `methods` that is not a variant "
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
            "`variation_seeds` must be some of `seeds`. Found [0, 7] and [0, 1, 2].",
        ),
        (
            {"search": {"mine": {"methods": ["sfcs"], "vary": "loss.base.scale", "values": [1.0]}}},
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
            {"ablation": {"mine": {"methods": ["sfsc"], "vary": "data.cameras", "values": [1]}}},
            (
                "ablation.mine: `vary` must be a key of network, loss, aggregation or train, such "
                "as loss.terms.compatible.weight. Found 'data.cameras'."
            ),
        ),
        (
            {"search": {"mine": {"methods": ["sfsc"], "vary": "train.device", "values": ["cuda"]}}},
            ("A condition must not change `train.device`, which all trainings of a study share."),
        ),
        (
            {
                "ablation": {
                    "mine": {
                        "methods": ["sfsc"],
                        "vary": "loss.base.label_smoothing",
                        "values": [2.0],
                    }
                }
            },
            "`mine.2.loss.base.label_smoothing` should be less than 1. Found `2.0`.",
        ),
        (
            {
                "ablation": {
                    "mine": {
                        "methods": ["sfsc"],
                        "vary": "network.widths",
                        "values": [[0.5, 1], [0.5, 1]],
                    }
                }
            },
            "ablation.mine: `values` must not repeat an entry. Found [[0.5, 1], [0.5, 1]].",
        ),
        (
            {"search": {"mine": {"methods": ["sfsc"], "conditions": {"a": {}}, "seeds": [0, 0]}}},
            "search.mine: `seeds` must not repeat an entry. Found [0, 0].",
        ),
        (
            {"ablation": {"mine": {"methods": ["sfsc"], "conditions": {"A b": {"loss": {}}}}}},
            (
                "ablation.mine: A condition names folders and must consist of a-z, 0-9, '_', '-' "
                "and '.'. Found 'A b'."
            ),
        ),
        (
            {
                "ablation": {
                    "mine": {"methods": ["sfsc"], "conditions": {"a": {"rows": {"bct_s": {}}}}}
                }
            },
            (
                "ablation.mine: `rows` of a condition must be among the variation's `methods`. "
                "Found 'bct_s' in 'a'; `methods` are ['sfsc']."
            ),
        ),
        (
            {
                "ablation": {
                    "mine": {
                        "methods": ["bct"],
                        "conditions": {"a": {"rows": {"bct": {"network": {"embedding_dim": 64}}}}},
                    }
                }
            },
            (
                "`mine.methods` must not have rows with `reference` where conditions change "
                "networks: those are another row's. Found 'bct'."
            ),
        ),
        (
            {
                "ablation": {
                    "mine": {"methods": ["unified"], "vary": "network.embedding_dim", "values": [8]}
                }
            },
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
            {"datasets": ["sinthetic"]},
            (
                "`data` must have a row for each data set. Found none for 'sinthetic'. Did you "
                "mean 'synthetic'?"
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


def test_a_mistake_does_not_hide_others():
    """What holds within and between sections is checked although other keys are wrong."""
    overlay = {
        "seeds": 5,
        "compare": ["sfcs"],
        "train": {"epochz": 3, "schedule": "step"},
        "methods": {"other": {"reference": "sfsc"}, "third": {"reference": "bct_s"}},
    }
    with pytest.raises(ConfigError) as caught:
        parse_params(tree(**overlay), fallback=tree)
    assert sentences_of(caught.value) == [
        "`seeds` should be a list. Found `5`.",
        "`train.epochz` is not a known key. Did you mean 'epochs'?",
        (
            "train: `milestones` must be set with `schedule: step` and null with `schedule: "
            "cosine`. Found `schedule = step`, `milestones = None`."
        ),
        "`compare` must name rows of `methods`. Found 'sfcs'. Did you mean 'sfsc'?",
        "`methods.other.reference` must name a row with `networks: each`. Found 'sfsc'.",
        (
            "`methods.third.reference` must name a row with `networks: each`. Found 'bct_s'. Did "
            "you mean 'bct'?"
        ),
    ]


def test_a_missing_key_is_named():
    """A key that is not set has no hidden default."""
    broken = tree()
    del broken["train"]["epochs"]
    with pytest.raises(ConfigError, match=r"  - `train\.epochs` must be set\. Found nothing\.$"):
        parse_params(broken)


def test_an_augmentation_of_one_key_is_whole():
    """Each change that is not named is off."""
    given = tree()
    given["augmentation"]["synthetic"] = {"flip": True}
    found = parse_params(given).augmentation["synthetic"]
    assert found.model_dump() == Augmentation().model_dump() | {"flip": True}
    assert not any(Augmentation().model_dump(exclude={"scale"}).values())


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
        (
            "train:\n  epochs: 3\n  epochs: 4\n",
            "{path} is not valid (1 problem):\n  - Lines 2 and 3 must not both set `epochs`; drop",
        ),
        (
            "seeds: [0]\ntrain: {epochs: 3}\nseeds: [1]\ndata: {omniglot: {a: 1, a: 2}}\n",
            (
                "{path} is not valid (2 problems):\n  - Lines 1 and 3 must not both set `seeds`; "
                "drop one.\n  - Two places in line 4 must not both set `a`"
            ),
        ),
        (
            "a:\n  1: x",
            "{path} is not valid (1 problem):\n  - Line 2: a key must be text. Found `1`; put",
        ),
        ("a: !!python/object x", "{path} must be a readable YAML file. Found: could not"),
        ("a: 1\n---\nb: 2", "{path} must be a readable YAML file. Found: expected a single"),
    ],
    ids=["broken", "list", "missing", "repeated", "repeated-twice", "number", "object", "two"],
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


@pytest.mark.parametrize(
    ("text", "found"),
    [("010", 10), ("1:30", "1:30"), ("yes", "yes"), ("1e-3", 0.001), ("0x10", 16), ("~", None)],
)
def test_values_are_read_as_dvc_reads_them(text: str, found: object, tmp_path: Path):
    """YAML 1.2: no octal numbers, sexagesimal numbers or words for true and false."""
    path = tmp_path / "study.yaml"
    path.write_text(f"value: {text}\n")
    assert read_tree([path]) == load_yaml(path) == {"value": found}


def test_an_overlay_alone_is_told_what_it_needs():
    """A study is checked after `params.yaml`, and one sentence says so."""
    with pytest.raises(ConfigError) as caught:
        load_params([ROOT / "studies" / "omniglot.yaml"])
    (sentence,) = str(caught.value).splitlines()
    assert "a study is an overlay and is read after it, as in `sfsc check params.yaml" in sentence


@pytest.fixture
def params() -> Params:
    """The project's parameters."""
    return load_params([PARAMS])


def test_a_row_overlays_the_sections(params: Params):
    """A method's settings are the sections' with the row's values."""
    plain = params.resolve("bct_s", dataset="synthetic", seed=1)
    assert (plain.method, plain.seed, plain.dataset) == ("bct_s", 1, "synthetic")
    assert plain.network == params.network
    assert plain.loss.base == params.loss.base
    assert (plain.aggregation.name, params.aggregation.name) == ("mean", "sum")
    assert plain.loss.terms == params.loss.terms
    terms = params.resolve("sfsc", dataset="synthetic", seed=1).loss.terms
    assert terms.keys() == {"triplet", "compatible"}
    assert terms["triplet"] == params.loss.terms["triplet"]
    assert terms["compatible"].model_dump(include={"evidence"}) == {"evidence": "softplus"}


def test_another_part_starts_from_its_own_defaults():
    """No setting of the part that a row replaces is left in the row's."""
    rows = {
        "arc": {"loss": {"base": {"name": "arcface", "label_smoothing": 0.0, "scale": 32.0}}},
        "soft": {"variant_of": "arc", "loss": {"base": "softmax"}},
        "wider": {"variant_of": "arc", "loss": {"base": {"margin": 0.5}}},
    }
    params = parse_params(tree(methods=rows))
    bases = {
        name: params.resolve(name, dataset="synthetic", seed=0).loss.base.model_dump()
        for name in rows
    }
    arc = {"name": "arcface", "label_smoothing": 0.0, "scale": 32.0, "margin": 0.2}
    soft = {"name": "softmax", "label_smoothing": 0.1}
    assert bases == {"arc": arc, "soft": soft, "wider": arc | {"margin": 0.5}}


def test_a_network_of_one_width_has_no_settings_of_sub_models(params: Params):
    """What cannot matter is not in the slice that a training depends on."""
    job = params.resolve("independent", dataset="synthetic", seed=0, width=1.0)
    assert (job.loss.submodels, job.aggregation) == (None, None)


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
    assert (job.aggregation.name, job.aggregation.granularity) == ("projection", "whole")
    sfsc = params.resolve("sfsc", dataset="synthetic", seed=0)
    assert job.loss.terms == sfsc.loss.terms != {}
    assert (params.rule_of("mine"), params.rule_of("sfsc")) == ("sfsc", "sfsc")


def test_one_to_one_methods_have_a_network_for_each_width(params: Params):
    """Smaller networks are a method's own, the full one is its reference's, trained once."""
    small = params.network.widths[:-1]
    assert params.networks_of("sfsc") == ()
    assert params.networks_of("independent") == tuple(
        NetworkOfRun("independent", width) for width in params.network.widths
    )
    assert params.networks_of("unified") == params.networks_of("independent")[:1]
    assert params.networks_of("full_alone") == params.networks_of("independent")[-1:]
    assert params.networks_of("bct") == (
        *(NetworkOfRun("bct", width) for width in small),
        NetworkOfRun("independent", 1.0),
    )
    job = params.resolve("bct", dataset="synthetic", seed=0, width=small[0])
    assert (job.network.widths, job.reference) == (small[:1], "independent")


KEY = "loss.terms.compatible.weight"


def test_a_variation_is_a_run_for_each_condition():
    """A condition that equals a compared row is that row, and is not trained again."""
    varied = {"methods": ["sfsc"], "vary": KEY, "values": [0.1, 0.3, 0.5]}
    row = {"sfsc": {"loss": {"terms": {"compatible": {"weight": 0.3}}}}}
    params = parse_params(
        tree(
            methods=row,
            ablation={"parts": None, "formulation": None},
            robustness={"compatible_weight": None, "mine": varied},
        )
    )
    conditions = params.study_job().robustness["mine"]
    assert [(c.condition, c.run) for c in conditions] == [
        ("0.1", "sfsc@mine=0.1"),
        ("0.3", "sfsc"),
        ("0.5", "sfsc@mine=0.5"),
    ]
    assert params.runs()["sfsc"] == params.seeds
    assert params.runs()["sfsc@mine=0.5"] == params.variation_seeds
    assert (params.rule_of("sfsc@mine=0.5"), params.rule_of("sfsc")) == ("mine", "sfsc")
    more = parse_params(
        tree(
            methods=row,
            ablation={"parts": None, "formulation": None},
            robustness={"compatible_weight": None, "mine": varied | {"seeds": [7, 0]}},
        )
    ).runs()
    assert more["sfsc@mine=0.5"] == (0, 7)
    assert more["sfsc"] == (*params.seeds, 7)
    assert more["bct_s"] == params.seeds
    varied_job = params.resolve("sfsc@mine=0.5", dataset="synthetic", seed=0)
    assert varied_job.loss.terms["compatible"].weight == 0.5


def test_a_condition_may_train_otherwise():
    """A search compares learning rates; all other settings are the study's."""
    rates = {"methods": ["bct_s"], "vary": "train.learning_rate", "values": [0.3]}
    params = parse_params(tree(search={"rate": rates}))
    (run,) = (condition.run for condition in params.study_job().search["rate"])
    job = params.resolve(run, dataset="synthetic", seed=0)
    assert job.train == params.train.model_copy(update={"learning_rate": 0.3})


def test_a_condition_may_differ_by_row():
    """What a row adds is laid over the condition, for that row alone."""
    weights = {"submodels": {"base_weight": 0.3}}
    condition = {"loss": {"terms": {"triplet": None}}, "rows": {"bct_s": {"loss": weights}}}
    mine = {"methods": ["bct_s", "sfsc"], "conditions": {"plain": condition}}
    params = parse_params(tree(robustness={"mine": mine}))
    losses = {
        c.method: params.resolve(c.run, dataset="synthetic", seed=0).loss
        for c in params.study_job().robustness["mine"]
    }
    assert all("triplet" not in loss.terms for loss in losses.values())
    rows = {m: params.resolve(m, dataset="synthetic", seed=0).loss.submodels for m in losses}
    assert losses["bct_s"].submodels == rows["bct_s"].model_copy(update={"base_weight": 0.3})
    assert losses["sfsc"].submodels == rows["sfsc"]


def test_every_value_has_a_folder_of_its_own():
    """Close numbers stay apart, and a name is a safe word whatever the value."""
    values = [0.12345678, 0.12345679, 1e-9]
    paths = ["data/raw/w/a.pth", "data/raw/w/b c.pth", "data/raw/w/b-c.pth", "$(rm -r x)", "../x"]
    robustness = {
        "close": {"methods": ["sfsc"], "vary": KEY, "values": values},
        "paths": {"methods": ["sfsc"], "vary": "network.pretrained", "values": paths},
    }
    study = parse_params(tree(robustness=robustness)).study_job()
    for name, n in (("close", 3), ("paths", 5)):
        runs = {condition.run for condition in study.robustness[name]}
        assert len(runs) == n
        assert all(re.fullmatch(r"[a-z0-9_@=.-]+", run) and ".." not in run for run in runs)


def test_a_choice_does_not_rename_the_candidates():
    """A candidate is a run of its own, even if params.yaml has its settings."""
    varied = {"methods": ["sfsc"], "vary": KEY, "values": [0.3]}
    (candidate,) = parse_params(tree(search={"mine": varied})).study_job().search["mine"]
    assert candidate.run == "sfsc@mine=0.3"


def test_two_names_of_the_same_settings_are_one_run():
    """A compared row that SFSC without both of its parts equals is not trained again."""
    loss = {"submodels": {"base_weight": 1.0}, "terms": {"compatible": None}}
    row = {"loss": loss, "aggregation": "mean"}
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
