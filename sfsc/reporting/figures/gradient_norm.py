"""Gradient norms of the sub-models over training: conflicts in magnitude (DESIGN.md 1: C5)."""

from sfsc.reporting.captions import describe_data
from sfsc.reporting.drawing import Drawing
from sfsc.reporting.runs import Results
from sfsc.reporting.submodel_curves import draw_submodels


def draw(results: Results) -> Drawing:
    """Draw the norm of each sub-model's own gradient, a panel per method.

    The methods are the compared ones and the ablation `parts`.
    """
    groups = results.compared_and("parts")
    figure, text = draw_submodels(groups, "gradient_norm", "gradient norm", is_log=True)
    return Drawing(
        figure,
        title="Gradient norms",
        caption=(
            "Norm of each sub-model's own gradient over its weights, before any aggregation, "
            "by width (light: smallest). Line: mean over seeds; band: their range; both over a "
            f"moving window of 5 % of the training. Logarithmic scale. {describe_data(groups)}"
        ),
        alternative=f"Curves over epochs. Norms at the end of training: {text}.",
    )
