"""Which methods are lines, and which one is the level that does not change."""

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
