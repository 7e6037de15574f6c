"""Evidential uncertainty of the sub-models over training (DESIGN.md 1: C7)."""

from sfsc.reporting.captions import describe_data, describe_evidence
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.runs import Results
from sfsc.reporting.submodel_curves import draw_submodels


def draw(results: Results) -> Drawing:
    """Draw the evidential uncertainty of each sub-model, a panel per method."""
    groups = results.compared()
    figure, text = draw_submodels(groups, "uncertainty", "uncertainty u", is_log=False)
    return Drawing(
        figure,
        title="Uncertainty",
        caption=(
            "Evidential uncertainty u = C / S of each sub-model, mean over the training batch, by "
            "width (light: smallest); 1: no evidence for any identity. It is recorded for every "
            "method, whether or not its loss uses it. "
            f"{describe_evidence(groups)} Line: mean over seeds; band: their range; "
            f"both over a moving window of 5 % of the training. {describe_data(groups)}"
        ),
        alternative=f"Curves over epochs. Uncertainty at the end of training: {text}.",
    )
