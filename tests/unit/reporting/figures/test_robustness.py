"""Which methods are lines, and which one is the level that does not change."""

from dataclasses import replace
from pathlib import Path

import pytest
from result_files import KL_WEIGHT, conditions, study_job

from sfsc.reporting.figures.robustness import draw
from sfsc.reporting.names import method_colour
from sfsc.reporting.runs import Results


@pytest.mark.parametrize("values", [KL_WEIGHT, {n: r for n, r in KL_WEIGHT.items() if r != "sfsc"}])
def test_a_varied_method_is_a_line_and_its_rival_a_level(values: dict[str, str], study: Path):
    """Also if the compared value is not among the varied ones."""
    job = study_job(robustness={"kl_weight": conditions("sfsc", values)})
    (axes,) = draw(Results(job, study, "synthetic")).figure.axes
    lines = {line.get_color(): line for line in axes.lines if line.get_marker() == "None"}
    styles = {colour: line.get_linestyle() for colour, line in lines.items()}
    assert styles == {method_colour("sfsc"): "-", method_colour("bct_s"): "--"}
    assert len(lines[method_colour("sfsc")].get_xdata()) == len(values)


def test_the_legend_shows_a_level_as_it_is_drawn(results: Results):
    """Dashed where a rival is nothing else, with its marker where it has points."""
    level = study_job(robustness={"kl_weight": conditions("sfsc", KL_WEIGHT)})
    looks = [
        {line.get_color(): line.get_linestyle() for line in figure.legends[0].get_lines()}
        for figure in (draw(replace(results, job=level)).figure, draw(results).figure)
    ]
    assert [look[method_colour("bct_s")] for look in looks] == ["--", "-"]


def test_a_single_panel_is_as_wide_as_the_page(results: Results):
    """No room is left for panels that are not there."""
    job = study_job(robustness={"kl_weight": conditions("sfsc", KL_WEIGHT)})
    figure = draw(replace(results, job=job)).figure
    assert figure.axes[0].get_position().width > 0.85
