"""What a study found, in sentences and counts; no number in them is typed by hand."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from sfsc.reporting.names import RIVAL, in_words, method_name, short_name
from sfsc.reporting.tables.main import REFERENCES

VERDICTS = ("reproduced", "contradicted", "no difference", "undecided", "not tested")
"""In the order in which they are counted."""
UNJUDGED = "The study compares settings; it tests none of the paper's claims."


def lead_sentence(dataset: str, rows: pd.DataFrame) -> str:
    """Compare SFSC's average mAP with the unified network's and the best other method's.

    Args:
        dataset: Name of the data set.
        rows: The data set's rows of the main table, by the name of the method.

    Returns:
        An empty text if the study compares no SFSC or no unified network.
    """
    by_method = {str(record["method"]): record for record in rows.to_dict("records")}
    if not {"sfsc", "unified"} <= by_method.keys():
        return ""
    ours, unified = by_method.pop("sfsc"), by_method.pop("unified")
    rivals = {name: row for name, row in by_method.items() if name not in REFERENCES}
    compared = [("Unified", unified)]
    if rivals:
        best = max(rivals, key=lambda name: rivals[name]["average_map_mean"])
        compared.append((f"{method_name(best)}, the best other", rivals[best]))
    comparisons = [
        f"{_gap(ours['average_map_mean'] - row['average_map_mean'])} {name} "
        f"({_mean(row, 'average_map')})"
        for name, row in compared
    ]
    n_seeds = ours["n_seeds"]
    worst = _gap(ours["worst_map_mean"] - unified["worst_map_mean"])
    return (
        f"On `{dataset}`, over {n_seeds} seed{'s' * (n_seeds != 1)}, SFSC reaches an average mAP "
        f"of {_mean(ours, 'average_map')} %: {' and '.join(comparisons)}. "
        f"Its worst pair of sub-models reaches {_mean(ours, 'worst_map')} %, {worst} Unified."
    )


def unjudged_summary(conflicts: pd.DataFrame) -> str:
    """Say what a study is about that tests no claim, and what it found of gradients.

    Args:
        conflicts: The data set's rows of the table of conflicts.
    """
    return f"{UNJUDGED} {_conflict_sentences(conflicts)}".rstrip()


def _conflict_sentences(rows: pd.DataFrame) -> str:
    """Say how often gradients conflict in BCT-S, and under which other settings most.

    Returns:
        An empty text if the study does not compare BCT-S or varies no setting of it.
    """
    of_rival = rows[rows["method"] == RIVAL]
    is_varied = of_rival["run"] != RIVAL
    if is_varied.all() or not is_varied.any():
        return ""
    base, varied = of_rival[~is_varied].iloc[0], of_rival[is_varied]
    most = varied.nlargest(1, "whole_early_mean").iloc[0]
    farthest = varied.nlargest(1, "change_mean").iloc[0]
    early, late = "whole_early_mean", "whole_late_mean"
    return (
        f"In {short_name(RIVAL)}, the gradients of {base[early]:.1f} % of the pairs of sub-models "
        f"conflict in the first quarter of the training, and of {base[late]:.1f} % later. Other "
        f"settings reach {most[early]:.1f} %, later {most[late]:.1f} % ({_setting(most)}). The "
        f"projection would change the mean of the gradients by {base['change_mean']:.1f} % of its "
        f"norm, in other settings by at most {farthest['change_mean']:.1f} % "
        f"({_setting(farthest)})."
    )


def _setting(row: "pd.Series[Any]") -> str:
    return f"{in_words(row['variation'])}: {in_words(row['condition'])}"


def count_verdicts(claims: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the names of the claims with each verdict that occurs.

    >>> count_verdicts([{"id": "C1", "verdict": "undecided"}, {"id": "C2", "verdict": "undecided"}])
    {'undecided': ['C1', 'C2']}
    """
    found = {
        verdict: [claim["id"] for claim in claims if claim["verdict"] == verdict]
        for verdict in VERDICTS
    }
    return {verdict: names for verdict, names in found.items() if names}


def verdict_sentence(claims: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of the paper's claims got which verdict.

    >>> verdict_sentence([{"id": "C1", "verdict": "reproduced"}])
    'Of 1 claim of the paper, 1 is reproduced (C1).'
    """
    counts = [
        f"{len(names)} {'is' if len(names) == 1 else 'are'} {verdict} ({', '.join(names)})"
        for verdict, names in count_verdicts(claims).items()
    ]
    plural = "" if len(claims) == 1 else "s"
    return f"Of {len(claims)} claim{plural} of the paper, {', '.join(counts)}."


def _mean(row: Mapping[Hashable, Any], measure: str) -> str:
    mean, deviation = row[f"{measure}_mean"], row[f"{measure}_std"]
    return f"{mean:.1f}" if pd.isna(deviation) else f"{mean:.1f} ± {deviation:.1f}"


def _gap(points: float) -> str:
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"
