"""The sentences that captions share, and numbers in words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sfsc.data.words import camera_of
from sfsc.losses.evidential import DEFAULT_EVIDENCE
from sfsc.reporting.markup import mean_text
from sfsc.reporting.names import method_name, width_name
from sfsc.reporting.runs import Group, describe_reranking


def describe_data(groups: Sequence[Group]) -> str:
    """Return the sentence on data and seeds that ends a caption."""
    counts = sorted({len(group.runs) for group in groups})
    number = " to ".join(dict.fromkeys(map(str, (counts[0], counts[-1]))))
    data = name_data(groups[0].dataset)
    return f"Data: {data}; {number} seed{'s' * (counts[-1] > 1)} per method."


def describe_evidence(groups: Sequence[Group]) -> str:
    """Return the sentence on the evidence functions of the recorded uncertainties.

    Uncertainties by different functions cannot be compared.
    """
    methods: dict[str, list[str]] = {}
    for group in groups:
        methods.setdefault(_evidence(group), []).append(method_name(group.method))
    if len(methods) == 1:
        return f"Evidence: {next(iter(methods))}."
    each = "; ".join(f"{function} in {', '.join(names)}" for function, names in methods.items())
    return f"Evidence, not comparable between functions: {each}."


def _evidence(group: Group) -> str:
    """Return the evidence function of a loss term, else the default, as trainings record it."""
    settings = group.runs[0].settings
    used = (value for key, value in settings.items() if key.endswith(".evidence"))
    return next(used, DEFAULT_EVIDENCE)


def name_data(dataset: str) -> str:
    """Return the name of a data set, and what stands for the camera in it.

    >>> name_data("synthetic"), name_data("omniglot")
    ('synthetic', 'omniglot (a camera is a drawer)')
    """
    camera = camera_of(dataset)
    return f"{dataset} ({camera})" if camera else dataset


def describe_test(groups: Sequence[Group]) -> str:
    """Return what must stand beside numbers of a test: what cameras are, and re-ranking."""
    datasets = dict.fromkeys(group.dataset for group in groups)
    cameras = [f"On {name}, {camera}." for name in datasets if (camera := camera_of(name))]
    return " ".join([*cameras, describe_reranking(groups[0].runs[0])]).rstrip()


def describe_protocol(groups: Sequence[Group]) -> str:
    """Return the sentences on protocol, data and seeds that end a caption about accuracy."""
    test = groups[0].runs[0].test
    protocol = (
        f"mAP: {test['average_precision']} average precision, {test['n_query']:,} queries in a "
        f"gallery of {test['n_gallery']:,}, test identities unseen in training, same identity and "
        f"camera removed, {test['n_skipped_queries']:,} queries without a positive left out."
    )
    reranking = describe_reranking(groups[0].runs[0])
    return " ".join(filter(None, (protocol, reranking, describe_data(groups))))


def by_width(method: str, widths: Sequence[float], texts: Sequence[str]) -> str:
    """Return one text per width, in words.

    >>> by_width("bct_s", (0.25, 1.0), ("30 %", "40 %"))
    'BCT-S: width 1/4 30 %, width 1 40 %'
    """
    pairs = zip(widths, texts, strict=True)
    return f"{method_name(method)}: " + ", ".join(f"width {width_name(w)} {t}" for w, t in pairs)


def percent(values: ArrayLike) -> str:
    """Return "mean ± standard deviation" of values in percent, the mean alone of one value.

    >>> percent([50.0, 52.0]), percent([50.0])
    ('51.0 ± 1.4', '50.0')
    """
    series = pd.Series(np.asarray(values, dtype=np.float64))
    return mean_text(series.mean(), series.std(ddof=1))
