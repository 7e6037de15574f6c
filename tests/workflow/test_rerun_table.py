"""For every key of the parameters and every module: which jobs a change of it runs again."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sfsc import plan
from sfsc.provenance import import_closure
from sfsc.settings.experiment import parse_params
from sfsc.settings.reading import merge

from workspaces import DEFAULTS, ROOT, Workspace

pytestmark = pytest.mark.slow

Jobs = dict[str, int]

REFERENCE = {"train_independent": 2}
"""The networks that the unified row and BCT are made of; the full one is BCT's reference."""
BCT = {"train_bct": 1}
BCT_S = {"train_bct_s": 1}
SFSC = {"train_sfsc": 1, "ablate_granularity": 1, "vary_kl_weight": 1}
ALONE = REFERENCE | BCT
SWITCHABLE = BCT_S | SFSC
TRAININGS = ALONE | SWITCHABLE
ASSEMBLE = {"assemble_unified": 1, "assemble_bct": 1}
EVALUATE = {"evaluate": 6, "escalation": 1}
PREPARE = {"prepare_synthetic": 1}
MIRROR = {"track": 1}
PAGE = {"report": 1} | MIRROR
ESCALATION = {"escalation": 1} | PAGE
COST = {"cost": 1} | PAGE
MEASURE = {"measure": 1} | COST
DRAWN = (
    *("cross_test", "accuracy_cost", "gradient_norm", "conflicts", "uncertainty", "priority"),
    *("ablation", "robustness", "retrieval"),
)
FIGURES = {"figures": 1}
REPORTING = {"tables": 1, "claims": 1} | FIGURES | PAGE


def with_tests(trainings: Jobs, n_runs: int, *assembled: str) -> Jobs:
    """Return trainings and what follows them: runs assembled, tested and reported."""
    escalated = ESCALATION if "train_sfsc" in trainings else {}
    return trainings | dict.fromkeys(assembled, 1) | {"evaluate": n_runs} | REPORTING | escalated


ALL = with_tests(TRAININGS, 6, *ASSEMBLE)
OF_ALONE = with_tests(ALONE, 2, *ASSEMBLE)
OF_BCT = with_tests(BCT, 1, "assemble_bct")
OF_BCT_SWITCHABLE = with_tests(BCT, 1)
OF_BCT_S = with_tests(BCT_S, 1)
OF_SFSC = with_tests(SFSC, 3)
OF_SWITCHABLE = with_tests(SWITCHABLE, 4)
AGAIN = PREPARE | ALL | MEASURE
NOTHING: Jobs = {}

WEIGHT = "loss.terms.compatible.weight"
MARGIN = (
    "{}.loss.terms.asymmetric: `margin` must be null with `kind: regression` and a distance with "
    "the other kinds. Found `kind = {}`, `margin = {}`."
)
IDLE = "`methods.{}` must not be set: each of the run's networks has one width"
"""What a setting that nothing would read is answered with."""

KEYS: dict[str, tuple[Any, Jobs | str]] = {
    "study": ("other", AGAIN),
    "datasets": (
        ["synthetic", "omniglot"],
        ALL | {"fetch_omniglot": 2, "prepare_omniglot": 1} | dict.fromkeys(FIGURES, 2) | MEASURE,
    ),
    "variation_seeds": ([1], "`variation_seeds` must be some of `seeds`. Found [1] and [0]."),
    "seeds": (
        [0, 1],
        {"train_sfsc": 1} | with_tests(REFERENCE | BCT | BCT_S, 4, *ASSEMBLE),
    ),
    "compare": (["unified", "bct", "sfsc"], REPORTING | MEASURE),  # another row is measured
    "search": (
        {"weight": {"methods": ["sfsc"], "vary": WEIGHT, "values": [0.7]}},
        {"train_candidate": 1, "choices": 1},
    ),
    "chosen_by": ([], NOTHING),  # no record of a search is here
    "data.validation_fraction": (0.4, AGAIN),
    "data.synthetic.seed": (1, AGAIN),
    "data.synthetic.train_identities": (25, AGAIN),
    "data.synthetic.test_identities": (9, AGAIN),
    "data.synthetic.cameras": (9, AGAIN),
    "data.synthetic.cameras_per_identity": (5, AGAIN),
    "data.synthetic.images_per_camera": (4, AGAIN),
    "data.synthetic.image_size": (25, AGAIN),
    "data.omniglot.image_size": (29, NOTHING),
    "data.omniglot.query_drawers": (9, NOTHING),
    "data.grocery.image_size": (64, NOTHING),
    "data.fruits360.image_size": (48, NOTHING),
    "network.backbone": ("resnet18", ALL | MEASURE),
    "network.widths": (  # the networks that exist are of two of them
        [0.25, 0.5, 1.0],
        with_tests(BCT | SWITCHABLE, 5, "assemble_bct") | MEASURE,
    ),
    "network.embedding_dim": (17, ALL | MEASURE),
    "network.pooling": ("gem", ALL | MEASURE),
    "network.pretrained": ("params.yaml", ALL),  # the file is there; a training looks into it
    "loss.base.name": ("arcface", ALL),
    "loss.base.label_smoothing": (0.0, ALL),
    "loss.terms.triplet.weight": (2.0, ALL),
    "loss.submodels.base_weight": (2.0, NOTHING),  # both switchable rows have their own
    "loss.submodels.classifier_gradient": ("all", OF_SWITCHABLE),
    "loss.submodels.priority": ("uncertainty", OF_SWITCHABLE),
    "aggregation.name": ("mean", NOTHING),  # both switchable rows have their own
    "train.epochs": (4, ALL),
    "train.identities_per_batch": (7, ALL),
    "train.images_per_identity": (3, ALL),
    "train.optimizer": ("adam", ALL),
    "train.learning_rate": (0.05, ALL),
    "train.weight_decay": (0.0, ALL),
    "train.schedule": ("step", "`milestones` must be set with `schedule: step`"),
    "train.milestones": ([0.6], "`milestones` must be set with `schedule: step`"),
    "train.warmup": (0.2, ALL),
    "train.average_decay": (0.5, ALL),
    "train.gradient_clip": (0.0, ALL),
    "train.validate_every": (2, ALL),
    "train.checkpoint_every": (2, ALL),
    "train.conflicts_every": (3, ALL),
    "train.device": ("cuda", ALL),
    "train.precision": ("bf16", ALL),
    "train.processes": (2, ALL),
    "train.gradient_checkpointing": (True, ALL),
    "train.cuda_graphs": (True, "`cuda_graphs` must be false with `device: cpu`."),
    "augmentation.synthetic.flip": (False, ALL),
    "augmentation.synthetic.rotation": (5.0, ALL),
    "augmentation.synthetic.translation": (0.0, ALL),
    "augmentation.synthetic.scale": ([0.8, 1.1], ALL),
    "augmentation.synthetic.shear": (0.0, ALL),
    "augmentation.synthetic.pad": (2, ALL),
    "augmentation.synthetic.colour": (0.0, ALL),
    "augmentation.synthetic.erasing": (0.0, ALL),
    "augmentation.omniglot.flip": (True, NOTHING),
    "augmentation.omniglot.rotation": (5.0, NOTHING),
    "augmentation.omniglot.translation": (0.0, NOTHING),
    "augmentation.omniglot.scale": ([0.8, 1.1], NOTHING),
    "augmentation.omniglot.shear": (0.0, NOTHING),
    "augmentation.omniglot.pad": (2, NOTHING),
    "augmentation.omniglot.colour": (0.1, NOTHING),
    "augmentation.omniglot.erasing": (0.1, NOTHING),
    "augmentation.grocery.flip": (False, NOTHING),
    "augmentation.grocery.rotation": (5.0, NOTHING),
    "augmentation.grocery.translation": (0.0, NOTHING),
    "augmentation.grocery.scale": ([0.8, 1.1], NOTHING),
    "augmentation.grocery.shear": (1.0, NOTHING),
    "augmentation.grocery.pad": (2, NOTHING),
    "augmentation.grocery.colour": (0.1, NOTHING),
    "augmentation.grocery.erasing": (0.1, NOTHING),
    "augmentation.fruits360.flip": (False, NOTHING),
    "augmentation.fruits360.rotation": (5.0, NOTHING),
    "augmentation.fruits360.translation": (0.0, NOTHING),
    "augmentation.fruits360.scale": ([0.8, 1.1], NOTHING),
    "augmentation.fruits360.shear": (1.0, NOTHING),
    "augmentation.fruits360.pad": (2, NOTHING),
    "augmentation.fruits360.colour": (0.1, NOTHING),
    "augmentation.fruits360.erasing": (0.1, NOTHING),
    "evaluate.average_precision": ("trapezoidal", EVALUATE | REPORTING),
    "evaluate.ranks": ([1, 5], EVALUATE | REPORTING),
    "evaluate.reranking": (
        {"name": "k_reciprocal", "k1": 4, "k2": 2, "original_weight": 0.3},
        EVALUATE | REPORTING,
    ),
    "methods.independent.networks": (
        "switchable",
        "`methods.bct.reference` must name a row with `networks: each`. Found 'independent'.",
    ),
    "methods.full_alone.networks_of": ("bct", NOTHING),
    "methods.full_alone.switches": ("smallest", NOTHING),
    "methods.unified.networks_of": ("bct", with_tests(NOTHING, 1, "assemble_unified")),
    "methods.unified.switches": ("largest", with_tests(NOTHING, 1, "assemble_unified")),
    "methods.bct.networks": ("switchable", OF_BCT_SWITCHABLE | MEASURE),
    "methods.bct.reference": (
        "asymmetric",
        with_tests({"train_asymmetric": 1} | BCT, 1, "assemble_bct"),
    ),
    "methods.bct.loss.terms.influence.weight": (2.0, OF_BCT),
    "methods.asymmetric.networks": ("switchable", NOTHING),
    "methods.asymmetric.reference": ("bct", NOTHING),
    "methods.asymmetric.loss.terms.asymmetric.kind": (
        "triplet",
        MARGIN.format("methods.asymmetric", "triplet", None),
    ),
    "methods.asymmetric.loss.terms.asymmetric.weight": (2.0, NOTHING),
    "methods.asymmetric_contrastive.variant_of": ("bct", NOTHING),
    "methods.asymmetric_contrastive.loss.terms.asymmetric.kind": ("triplet", NOTHING),
    "methods.asymmetric_contrastive.loss.terms.asymmetric.margin": (0.1, NOTHING),
    "methods.asymmetric_triplet.variant_of": ("bct", NOTHING),
    "methods.asymmetric_triplet.loss.terms.asymmetric.kind": (
        "regression",
        MARGIN.format("methods.asymmetric_triplet", "regression", 0.3),
    ),
    "methods.asymmetric_triplet.loss.terms.asymmetric.margin": (0.1, NOTHING),
    "methods.bct_s.networks": ("each", IDLE.format("bct_s.loss.submodels")),
    "methods.bct_s.loss.submodels.base_weight": (2.0, OF_BCT_S),
    "methods.bct_s.aggregation": ("sum", OF_BCT_S),
    "methods.asymmetric_s.networks": ("each", IDLE.format("asymmetric_s.loss.submodels")),
    "methods.asymmetric_s.loss.submodels.base_weight": (1.0, NOTHING),
    "methods.asymmetric_s.loss.terms.asymmetric.kind": ("triplet", NOTHING),
    "methods.asymmetric_s.loss.terms.asymmetric.weight": (2.0, NOTHING),
    "methods.asymmetric_s.loss.terms.asymmetric.margin": (0.1, NOTHING),
    "methods.sfsc.networks": ("each", IDLE.format("sfsc.loss.submodels")),
    "methods.sfsc.loss.submodels.base_weight": (2.0, OF_SFSC),
    "methods.sfsc.loss.terms.compatible.weight": (0.5, OF_SFSC),
    "methods.sfsc.loss.terms.compatible.evidence": ("relu", OF_SFSC),
    "methods.sfsc.loss.terms.compatible.correct_evidence": (True, OF_SFSC),
    "methods.sfsc.loss.terms.compatible.kl.weight": (
        0.02,
        with_tests({"train_sfsc": 1, "ablate_granularity": 1}, 2),
    ),
    "methods.sfsc.loss.terms.compatible.kl.ramp": (0.1, OF_SFSC),
    "methods.sfsc.aggregation.name": ("upgrad", OF_SFSC),
    "methods.sfsc.aggregation.granularity": (
        "layer",
        with_tests({"train_sfsc": 1, "vary_kl_weight": 1}, 2),
    ),
    "methods.sfsc.aggregation.reduction": ("sum", OF_SFSC),
}
"""Each key with another value, and the jobs that it reruns or the sentence that refuses it.

A row of `methods` that the study has no run of runs nothing.
"""


ROWS: dict[str, tuple[Any, Jobs]] = {
    "methods.independent.loss": (
        {"base": {"label_smoothing": 0.0}},
        with_tests(REFERENCE | BCT, 2, *ASSEMBLE),
    ),
    "robustness.kl_weight.values": ([0.01, 0.1], with_tests({"vary_kl_weight": 1}, 1)),
}
"""What a user's row adds, and the jobs that it runs."""
CLAIMS = {"claims": 1} | PAGE
TABLES = {"tables": 1} | PAGE


DRAWINGS = FIGURES | PAGE
STATISTICS = CLAIMS | TABLES | DRAWINGS
GROUPS: tuple[tuple[Jobs, str], ...] = (
    (AGAIN, " files"),
    (AGAIN, "data data.contact_sheet data.integrity data.manifest data.mistakes data.packed"),
    (AGAIN, "data.prepare data.prepared data.rendering data.rendering.cameras"),
    (AGAIN, "data.rendering.pictures data.rendering.raster data.rendering.solids"),
    (AGAIN, "data.rendering.superstructures data.rendering.vehicles data.sets"),
    (AGAIN, "data.sets.synthetic data.splits data.words"),
    (MIRROR, "data.decoding"),
    (NOTHING, "data.archive data.file_settings data.image_files data.official"),
    (NOTHING, "data.packing data.sets.custom data.sets.market1501 data.sets.msmt17"),
    (NOTHING, "data.sets.fruits360 data.sets.grocery data.sets.omniglot data.sets.veri776"),
    (NOTHING, "data.photographs data.snapshot download networks.published"),
    (ALL, "data.augmentation data.samplers data.sliced"),
    (ALL | MEASURE, "compute data.transforms"),
    (ALL, "aggregation aggregation.aggregators aggregation.base"),
    (ALL, "aggregation.conflicts aggregation.jacobian"),
    # Every training records what the projection would change.
    (ALL, "aggregation.aggregators.projection aggregation.aggregators.sum"),
    (OF_BCT_S, "aggregation.aggregators.mean"),
    (NOTHING, "aggregation.aggregators.cagrad aggregation.aggregators.mgda"),
    (NOTHING, "aggregation.aggregators.upgrad aggregation.gramian_weighted"),
    (ALL, "losses losses.base losses.bases losses.bases.softmax losses.evidential"),
    (ALL, "losses.objective losses.term"),
    (OF_SFSC, "losses.terms.compatible"),
    (OF_BCT, "losses.terms.influence"),
    (ALL, "losses.terms losses.terms.triplet"),
    (NOTHING, "losses.terms.asymmetric losses.terms.distillation"),
    (NOTHING, "losses.bases.arcface losses.bases.circle losses.bases.cosface"),
    (
        ALL | MEASURE,
        "networks networks.backbone networks.backbones networks.backbones.small_resnet",
    ),
    (
        ALL | MEASURE,
        "networks.build networks.cost networks.extract networks.per_width networks.resnet",
    ),
    (ALL | MEASURE, "networks.pooling networks.switchable"),
    (ALL, "networks.pretrained networks.recompute networks.weight_files training.replay"),
    (NOTHING, "training.launch"),
    (NOTHING, "networks.backbones.mobilenet_v2 networks.backbones.resnet18"),
    (NOTHING, "networks.backbones.resnet50 networks.backbones.resnext50"),
    (MEASURE, "networks.footprint networks.latency"),
    (MEASURE | MIRROR, "networks.serving"),
    (ALL, "training training.build training.checkpoint training.loop training.model"),
    (NOTHING, "networks.backbones.vit_small networks.transformer networks.transformer_layers"),
    (ALL, "training.parallel training.records training.reference training.run"),
    (ALL, "training.averaging training.schedule"),
    (ALL, "training.precision training.progress training.step training.validation"),
    (with_tests(NOTHING, 2, *ASSEMBLE), "training.assemble"),
    # A training validates by retrieval.
    (ALL, "retrieval retrieval.arrays retrieval.embed retrieval.inner_products retrieval.matrix"),
    (ALL, "retrieval.metrics retrieval.ranking retrieval.relevance"),
    (EVALUATE | REPORTING, "retrieval.evaluate"),
    (DRAWINGS, "retrieval.stored"),
    (NOTHING, "retrieval.nearest retrieval.rerankings retrieval.rerankings.k_reciprocal"),
    (REPORTING | ESCALATION, "reporting.runs"),
    (REPORTING | COST | ESCALATION, "reporting reporting.names"),
    (TABLES, "reporting.choices reporting.tables.conflicts reporting.tables.deployment"),
    (TABLES, "reporting.tables.write"),
    (TABLES | DRAWINGS, "reporting.fairness reporting.tables.main reporting.tables.variations"),
    (TABLES | DRAWINGS | COST, "reporting.tables"),
    (COST, "reporting.tables.cost"),
    (CLAIMS, "reporting.claims reporting.claims.accuracy reporting.claims.comparisons"),
    (CLAIMS, "reporting.claims.entries reporting.claims.gradients reporting.claims.prose"),
    (CLAIMS, "reporting.claims.price reporting.claims.verdicts"),
    (CLAIMS, "statistics.bootstrap statistics.holm statistics.power"),
    (STATISTICS, "reporting.curves reporting.dynamics"),
    (STATISTICS, "reporting.effects reporting.summaries"),
    (STATISTICS | COST | ESCALATION, "reporting.markup"),
    (STATISTICS, "statistics statistics.paired"),
    (TABLES | DRAWINGS | ESCALATION, "reporting.captions"),
    (DRAWINGS | ESCALATION, "reporting.drawing reporting.style"),
    (DRAWINGS, "reporting.figures"),
    (DRAWINGS, "reporting.submodel_curves"),
    *((DRAWINGS, f"reporting.figures.{name}") for name in DRAWN),
    (NOTHING, "reporting.figures.conflict_map reporting.figures.twins"),  # which are not drawn here
    (PAGE, "reporting.findings reporting.report"),
    (NOTHING, "licence reporting.explain reporting.overview reporting.readme"),
    (MIRROR, "tracking tracking.mirror tracking.registry tracking.stamp tracking.store"),
    (MIRROR, "tracking.finished tracking.notes tracking.streams"),
    (MIRROR, "deploy.accuracy deploy.card deploy.export deploy.extra deploy.model"),
    (MIRROR, "deploy.onnx_file deploy.photographs deploy.thresholds"),
    (ESCALATION, "deploy deploy.escalation deploy.escalation_curve deploy.finished"),
    (ESCALATION, "deploy.nearest deploy.space"),
    (NOTHING, "data.folders deploy.answers deploy.choose deploy.demo deploy.demo.exhibits"),
    (NOTHING, "deploy.demo.server deploy.gallery deploy.index deploy.search new_study"),
    # Words, and values that are in the slices beside the digests.
    (NOTHING, "cli errors plan provenance settings settings.consistency settings.experiment"),
    (NOTHING, "settings.jobs settings.mending settings.parts settings.problems settings.reading"),
    (NOTHING, "settings.reference settings.rows settings.section settings.sections"),
    (NOTHING, "tracking.live"),
)
MODULES = {name: jobs for jobs, names in GROUPS for name in names.split(" ")}
"""Each module of `sfsc`, and the jobs that one more statement in it reruns."""

# One plan for all of them: if together they change nothing, none does, as no change undoes another.
IDLE_KEYS = [
    key
    for key, (_, jobs) in KEYS.items()
    if jobs == NOTHING and key.startswith(("data.", "augmentation."))
]
IDLE_MODULES = [name for name, jobs in MODULES.items() if jobs == NOTHING]


def keys_of(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a tree's values."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from keys_of(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key."""
    *rooms, last = key.split(".")
    for room in rooms:
        tree = tree.setdefault(room, {})
    tree[last] = value


def modules() -> list[str]:
    """Return the dotted name below `sfsc` of each module; a package's is its folder's."""
    paths = (path.relative_to(ROOT / "sfsc") for path in (ROOT / "sfsc").rglob("*.py"))
    names = (".".join(path.with_suffix("").parts) for path in paths)
    return sorted(name.removesuffix(".__init__").replace("__init__", "") for name in names)


def test_the_table_has_every_key_and_every_module():
    """What is new must say what depends on it; conditions are rows of the user's."""
    variations = ("ablation.", "robustness.")
    keys = [key for key in keys_of(DEFAULTS) if not key.startswith(variations)]
    assert sorted(KEYS) == sorted(keys)
    assert sorted(MODULES) == modules()


@pytest.fixture(scope="module")
def finished_copy(
    finished: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A copy of the finished workspace; who changes it restores it."""
    workspace = finished.copy(tmp_path_factory.mktemp("table"))
    yield workspace
    assert workspace.planned() == NOTHING


@pytest.mark.parametrize("key", [key for key in KEYS | ROWS if key not in IDLE_KEYS])
def test_a_changed_key_runs_again_what_depends_on_it(key: str, finished_copy: Workspace):
    """Nothing less and nothing else; what cannot be is refused before any job."""
    value, expected = (KEYS | ROWS)[key]
    workspace = Workspace(finished_copy.folder)
    put(workspace.study, key, value)
    if isinstance(expected, str):
        with pytest.raises(AssertionError, match=re.escape(expected)):
            workspace.planned()
    else:
        assert workspace.planned() == expected


def test_keys_of_other_data_sets_run_nothing_again(finished_copy: Workspace):
    """All of them at once."""
    workspace = Workspace(finished_copy.folder)
    for key in IDLE_KEYS:
        put(workspace.study, key, KEYS[key][0])
    assert workspace.planned() == NOTHING


def changed_modules(names: list[str], folder: Path) -> Jobs:
    """Return the jobs planned with a statement more in each of the modules, and take it back."""
    paths = [folder.joinpath("sfsc", *name.split(".")) for name in names]
    files = [path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for path in paths]
    sources = [file.read_text() for file in files]
    try:
        for file, source in zip(files, sources, strict=True):
            file.write_text(f"{source}\n_MORE = 1\n")
        return Workspace(folder).planned()
    finally:
        for file, source in zip(files, sources, strict=True):
            file.write_text(source)


@pytest.fixture(scope="module")
def closures(finished_copy: Workspace) -> dict[str, frozenset[str]]:
    """The modules that each fingerprint file has a digest of."""
    params = parse_params(merge(DEFAULTS, finished_copy.study))
    jobs = {
        **plan.preparations(params),
        **plan.training_dependencies(params),
        **plan.evaluations(params),
        **plan.reports(params, DRAWN, store=""),
    }
    return {path: import_closure(*job.modules) for path, job in jobs.items()}


@pytest.fixture(scope="module")
def plans() -> dict[frozenset[str], Jobs]:
    """What was planned with some of the fingerprint files changed; a plan takes seconds."""
    return {}


@pytest.mark.parametrize("name", [name for name in MODULES if name not in IDLE_MODULES])
def test_a_changed_module_runs_again_what_uses_it(
    name: str,
    finished_copy: Workspace,
    closures: dict[str, frozenset[str]],
    plans: dict[frozenset[str], Jobs],
):
    """A statement more is a change; modules of the same fingerprint files share a plan."""
    module = f"sfsc.{name}".rstrip(".")
    changed = frozenset(path for path, modules in closures.items() if module in modules)
    if changed not in plans:
        plans[changed] = changed_modules([name], finished_copy.folder)
    assert plans[changed] == MODULES[name]


def test_modules_that_no_job_uses_run_nothing_again(finished_copy: Workspace):
    """All of them at once."""
    assert changed_modules(IDLE_MODULES, finished_copy.folder) == NOTHING
