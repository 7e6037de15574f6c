"""Notes on the fairness of a comparison: equal settings, changed settings, recorded searches."""

from collections.abc import Mapping, Sequence
from typing import Any

from sfsc.reporting.names import short_name
from sfsc.reporting.runs import Group

SHARED = (
    "train.epochs", "train.optimizer", "train.learning_rate", "train.schedule",
    "train.weight_decay", "train.warmup", "train.gradient_clip", "train.identities_per_batch",
    "train.images_per_identity", "network.backbone", "network.embedding_dim",
    "network.pretrained", "loss.base",
    "loss.base.label_smoothing", "loss.terms.triplet.weight", "loss.submodels.classifier_gradient",
)  # fmt: skip
"""Settings that a fair comparison keeps equal, besides all of the augmentation."""
TERMS = "loss.terms."


def budget(groups: Sequence[Group]) -> str:
    """Return sentences on the settings that all compared methods share, and on those they do not.

    Args:
        groups: The compared rows of one or several data sets.
    """
    settings = [(group, group.runs[0].settings) for group in groups]
    differences = _different_keys(settings)
    values = {key: value for _, row in settings for key, value in row.items()}
    equal = [
        f"{setting_name(key)} {values[key]}"
        for key in SHARED
        if values.get(key) is not None and key not in differences
    ]
    sentences = [f"Equal for all methods: {', '.join(equal)}"]
    if not any(key.startswith("augmentation.") for key in differences):
        sentences[0] += ", and the augmentation"
    if any(group.runs[0].record["network"].get("kind") == "each" for group in groups):
        sentences.append("A method with a network per width trains each of them that long")
    if differences:
        texts = [_who(key, settings) for key in differences]
        sentences.append(f"Not equal: {'; '.join(texts)}")
    return ". ".join(sentences) + "."


def _different_keys(settings: Sequence[tuple[Group, Mapping[str, Any]]]) -> list[str]:
    """Return the settings that should be equal and differ on some data set.

    A method that ignores a setting does not count as different.
    """
    keys = [*SHARED, *(key for key in settings[0][1] if key.startswith("augmentation."))]
    found = dict.fromkeys(
        key
        for dataset in {group.dataset for group, _ in settings}
        for key in keys
        if _n_values(key, [row for group, row in settings if group.dataset == dataset]) > 1
    )
    return sorted(found, key=keys.index)


def _n_values(key: str, rows: Sequence[Mapping[str, Any]]) -> int:
    return len({str(row[key]) for row in rows if key in row})


def _who(key: str, settings: Sequence[tuple[Group, Mapping[str, Any]]]) -> str:
    """Return in words which methods have which value; the most common one is `the others`."""
    methods: dict[str, list[str]] = {}
    for group, values in settings:
        if key in values:
            methods.setdefault(str(values[key]), []).append(group.method)
    common = max(methods, key=lambda value: len(methods[value]))
    rare = [
        f"{value} for {', '.join(f'`{name}`' for name in dict.fromkeys(names))}"
        for value, names in methods.items()
        if value != common
    ]
    return f"{setting_name(key)} ({', '.join(rare)}, {common} for the others)"


def setting_name(key: str) -> str:
    """Return the name of a setting without its section, as code.

    >>> setting_name("loss.terms.compatible.weight"), setting_name("aggregation")
    ('`compatible.weight`', '`aggregation`')
    """
    return f"`{key.partition('.')[2].removeprefix('terms.') or key}`"


def changes(settings: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return in words what differs from other settings: values, and loss terms more or less.

    The settings of a part that only one of them has are not told.

    >>> base = {"aggregation": "mean", "network.embedding_dim": 64, "network.pretrained": "a.pt"}
    >>> changes({"aggregation": "sum", "network.embedding_dim": 64}, base)
    '`aggregation` sum (not mean), `pretrained` none (not a.pt)'
    """
    values = [
        f"{setting_name(key)} {_text(settings.get(key))} (not {_text(base.get(key))})"
        for key in {**base, **settings}
        if settings.get(key) != base.get(key)
        and (key in settings or _is_null(key, settings, base))
        and (key in base or _is_null(key, base, settings))
    ]
    more = [f"with `{name}`" for name in _terms(settings) if name not in _terms(base)]
    less = [f"no `{name}`" for name in _terms(base) if name not in _terms(settings)]
    return ", ".join([*values, *more, *less])


def _terms(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of the loss terms."""
    return [key.removeprefix(TERMS) for key in settings if _is_term(key)]


def _is_null(key: str, settings: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a setting that only the other ones have is null in these: its part is not."""
    section = key.rpartition(".")[0]
    is_shared = any(own.startswith(f"{section}.") for own in settings)
    return is_shared and settings.get(section) == other.get(section) and not _is_term(key)


def _is_term(key: str) -> bool:
    return key.startswith(TERMS) and "." not in key.removeprefix(TERMS)


def candidate_text(values: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> str:
    """Return in words what sets a candidate apart from the others: loss terms, and values.

    Args:
        values: Its settings that not all candidates share.
        tried: Those of all candidates.

    >>> kl = {"loss.terms.kl": "kl", "loss.terms.kl.weight": 0.10, "loss.terms.kl.ramp": 0.5}
    >>> candidate_text(kl, [kl, kl | {"loss.terms.kl.weight": 1.0}, {}])
    'with `kl`, `kl.weight` 0.1'
    """
    terms = [f"with `{name}`" for name in _terms(values)]
    own = [
        f"{setting_name(key)} {_text(value)}"
        for key, value in values.items()
        if len({str(other[key]) for other in tried if key in other}) > 1
    ]
    return ", ".join([*terms, *own])


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def origin(groups: Sequence[Group], choices: Sequence[Mapping[str, Any]]) -> str:
    """Return sentences on where the hyper-parameters of the compared methods come from.

    Args:
        groups: The compared rows.
        choices: Content of the files that `sfsc choices` wrote.
    """
    if not choices:
        return "Hyper-parameters: those of params.yaml; no search is recorded beside this table."
    rows = {group.method: group.runs[0].settings for group in groups}
    texts = [
        _choice(choice, rows[choice["method"]]) for choice in choices if choice["method"] in rows
    ]
    datasets = dict.fromkeys(name for choice in choices for name in choice["datasets"])
    return (
        "Hyper-parameters were chosen by the average mAP on validation identities of "
        f"{', '.join(datasets)}, never on test identities: {'; '.join(texts)}. All others are "
        "those of params.yaml."
    )


def _choice(choice: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return in words what was chosen of how many candidates, and whether the row uses it."""
    chosen = {key: value for key, value in choice["chosen_values"].items() if key in settings}
    candidates = choice["candidates"]
    value = candidate_text(chosen, [candidate["values"] for candidate in candidates])
    number = f"(of {len(candidates)} candidates)"
    text = f"{short_name(choice['method'])} {value or choice['chosen']} {number}"
    used = {key: settings[key] for key in chosen if settings[key] != chosen[key]}
    if used:
        text += " but here " + ", ".join(f"{setting_name(k)} {_text(v)}" for k, v in used.items())
    return text
