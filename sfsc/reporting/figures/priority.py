"""Each sub-model's share of the gradient norms and its uncertainty (DESIGN.md 1: C7)."""

from matplotlib.ticker import PercentFormatter

from sfsc.reporting.captions import describe_data, describe_evidence
from sfsc.reporting.curves import Curve, curves_by_switch, fit_epochs
from sfsc.reporting.drawing import Drawing, draw_nothing
from sfsc.reporting.dynamics import by_switch, norm_shares
from sfsc.reporting.names import OURS, RIVAL, method_name
from sfsc.reporting.runs import Results
from sfsc.reporting.submodel_curves import draw_panel, panel_grid


def draw(results: Results) -> Drawing:
    """Draw each sub-model's share of the gradient norms and its uncertainty, a row per method."""
    title = "Uncertainty and priority of the sub-models"
    groups = [results.group(m) for m in (RIVAL, OURS) if m in results.job.compare]
    if not groups:
        text = "This study compares neither BCT-S nor SFSC."
        return draw_nothing(title, text, results.compared())
    figure, panels = panel_grid(len(groups), 2, top=0.65, sharey="col")
    fit_epochs(panels, groups)
    shares = [curves_by_switch(group, norm_shares) for group in groups]
    for row, group in enumerate(groups):
        uncertainties = curves_by_switch(group, lambda run: by_switch(run, "uncertainty"))
        share_panel, uncertainty_panel = panels[2 * row : 2 * row + 2]
        draw_panel(share_panel, group, shares[row], group.widths)
        draw_panel(uncertainty_panel, group, uncertainties, group.widths)
        share_panel.set_title(f"{method_name(group.method)}: share of the gradient norms")
        uncertainty_panel.set_title(f"{method_name(group.method)}: uncertainty u")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    for panel in panels[-2:]:
        panel.set_xlabel("epoch")
    words = [
        f"{method_name(group.method)} {_in_words(curves[0])}"
        for group, curves in zip(groups, shares, strict=True)
    ]
    return Drawing(
        figure,
        title=title,
        caption=(
            "Left: norm of each sub-model's own gradient, before any aggregation, as a share of "
            "the sum over sub-models: the larger it is, the higher the sub-model's priority. "
            f"Right: its evidential uncertainty. {describe_evidence(groups)} By width (light: "
            "smallest). Line: mean over seeds; band: their "
            f"range; both over a moving window of 5 % of the training. {describe_data(groups)}"
        ),
        alternative="Curves over epochs. Share of the smallest sub-model at the start, in the "
        f"middle and at the end: {'; '.join(words)}.",
    )


def _in_words(curve: Curve) -> str:
    points = (curve.mean[0], curve.mean[len(curve.mean) // 2], curve.mean[-1])
    return ", ".join(f"{100 * point:.0f} %" for point in points)
