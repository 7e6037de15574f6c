"""What must hold between the sections of `params.yaml`; all problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sfsc.errors import ConfigError
from sfsc.settings.problems import nearest, sentences_of

if TYPE_CHECKING:
    from sfsc.settings.experiment import Params
    from sfsc.settings.jobs import TrainJob

GROUPS = ("ablation", "robustness", "search")


def problems(params: Params) -> Iterator[str]:
    """Yield a sentence for each problem between sections, rows and variations."""
    yield from _list_problems(params)
    yield from _data_problems(params)
    if params.network.widths[-1] != 1.0:
        yield f"`network.widths` must end with 1.0. Found {list(params.network.widths)}."
    variations = list(_variation_problems(params))
    rows = list(_variant_problems(params)) or list(_reference_problems(params))
    yield from rows
    yield from variations
    if not rows and not variations:  # rows can be resolved
        yield from _borrowed_problems(params)
        yield from _run_problems(params)


def _list_problems(params: Params) -> Iterator[str]:
    for key in ("datasets", "seeds", "variation_seeds", "compare"):
        values = getattr(params, key)
        if len(set(values)) < len(values):
            yield f"`{key}` must not repeat an entry. Found {list(values)}."
    if not set(params.variation_seeds) <= set(params.seeds):
        found = f"Found {list(params.variation_seeds)} and {list(params.seeds)}."
        yield f"`variation_seeds` must be some of `seeds`. {found}"
    for name in params.compare:
        if name not in params.methods:
            near = nearest(name, params.methods)
            yield f"`compare` must name rows of `methods`. Found '{name}'.{near}"


def _data_problems(params: Params) -> Iterator[str]:
    for name in params.datasets:
        if name not in params.data.sets:
            near = nearest(name, params.data.sets)
            yield f"`data` must have a row for each data set. Found none for '{name}'.{near}"
        elif name not in params.augmentation:
            rule = "`augmentation` must have a row for each data set of `datasets`."
            yield f"{rule} Found none for '{name}'."


def _variant_problems(params: Params) -> Iterator[str]:
    """Yield which rows are variants of rows that are not there or not fit."""
    own = [name for name, row in params.methods.items() if not row.variant_of]
    for name, row in params.methods.items():
        if row.variant_of and row.variant_of not in own:
            yield (
                f"`methods.{name}.variant_of` must name a row of `methods` that is not a variant "
                f"itself. Found '{row.variant_of}'.{nearest(row.variant_of, own)}"
            )


def _reference_problems(params: Params) -> Iterator[str]:
    """Yield which rows are made of, or refer to, rows that are not there or not fit."""
    each = [name for name in params.methods if params.of_row(name, "networks") == "each"]
    for name in params.methods:
        for key in ("networks_of", "reference"):
            other = params.of_row(name, key)
            if other and other not in each:
                yield (
                    f"`methods.{name}.{key}` must name a row with `networks: each`. Found "
                    f"'{other}'.{nearest(other, each)}"
                )


def _variation_problems(params: Params) -> Iterator[str]:
    owners: dict[str, str] = {}
    for group in GROUPS:
        for name, variation in getattr(params, group).items():
            if name in owners:
                yield f"`{group}.{name}` must have a name of its own. Found `{owners[name]}`."
            owners[name] = f"{group}.{name}"
            for method in variation.methods:
                if method not in params.methods:
                    near = nearest(method, params.methods)
                    rule = f"`{group}.{name}.methods` must name rows of `methods`."
                    yield f"{rule} Found '{method}'.{near}"


def _borrowed_problems(params: Params) -> Iterator[str]:
    """Yield which rows and variations would change networks that are another row's."""
    for method, row in params.methods.items():
        if params.of_row(method, "networks_of") and row.sections():
            yield (
                f"`methods.{method}` must not change settings: its networks are those of "
                f"`{params.of_row(method, 'networks_of')}`. Found `{', '.join(row.sections())}`."
            )
    for name, variation in params.variations.items():
        changes_network = any(
            overlay.network
            for change in variation.overlays().values()
            for overlay in (change, *change.rows.values())
        )
        for method in variation.methods:
            if params.of_row(method, "networks_of"):
                key, found = "networks_of", "settings"
            elif params.of_row(method, "reference") and changes_network:
                key, found = "reference", "networks"
            else:
                continue
            yield (
                f"`{name}.methods` must not have rows with `{key}` where conditions change "
                f"{found}: those are another row's. Found '{method}'."
            )


def _run_problems(params: Params) -> Iterator[str]:
    """Yield what is wrong in rows of `methods` and conditions, laid over the sections."""
    conditions = [run for runs in params.condition_runs().values() for _, _, run in runs]
    dataset = next(iter(params.augmentation), None)
    own = [name for name in params.methods if not params.of_row(name, "networks_of")]
    for run in [*own, *conditions]:
        yield from _idle_problems(params, run)
        if dataset is not None:
            try:
                job = params.resolve(run, dataset=dataset, seed=params.seeds[0])
            except ConfigError as error:
                yield from sentences_of(error)
            else:
                yield from _term_problems(job, key=key_of(run))


def _idle_problems(params: Params, run: str) -> Iterator[str]:
    """Yield what a run sets of sub-models that it does not have."""
    if params.is_switchable(run):
        return
    for overlay in params.overlays(run):
        found = [f"loss.{key}" for key in overlay.loss if key == "submodels"]
        for key in [*found, *(["aggregation"] if overlay.aggregation else [])]:
            yield (
                f"`{key_of(run)}.{key}` must not be set: each of the run's networks has one width, "
                "and thus one gradient and no sub-models."
            )


def _term_problems(job: TrainJob, *, key: str) -> Iterator[str]:
    """Yield which loss terms lack what they act on, and sub-models without any loss."""
    is_switchable = job.loss.submodels is not None
    if job.loss.submodels is not None and not job.loss.submodels.base_weight + len(job.loss.terms):
        yield (
            f"`{key}.loss.submodels.base_weight` must be above 0 where `loss.terms` is empty: the "
            "sub-models would have no loss. Found `base_weight = 0`."
        )
    for name, term in job.loss.terms.items():
        needs = type(term).needs
        if needs == "submodels" and not is_switchable:
            yield (
                f"`{key}.loss.terms.{name}` needs the sub-models of a switchable network. Found "
                f"networks of one width; drop the term with `{name}: null`."
            )
        if needs == "target" and not is_switchable and job.reference is None:
            yield (
                f"`{key}.loss.terms.{name}` needs a network to be compatible with: a switchable "
                f"one, or the row's `reference`. Found neither; drop the term with `{name}: null`."
            )


def key_of(run: str) -> str:
    """Return the key of a run in `params.yaml`.

    >>> key_of("sfsc"), key_of("sfsc@parts=without_projection")
    ('methods.sfsc', 'parts.without_projection')
    """
    method, _, condition = run.partition("@")
    return condition.replace("=", ".", 1) if condition else f"methods.{method}"
