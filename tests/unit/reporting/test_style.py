"""Names, colours and labels."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from sfsc.reporting.names import METHODS, method_colour, method_marker, method_name, name_lines
from sfsc.reporting.style import INK, label_ends, readable, spread, width_colours


def test_methods_differ_in_colour_and_in_marker():
    """Two cues, so that a colour-blind reader or a grey print keeps them apart."""
    assert len({method_colour(method) for method in METHODS}) == len(METHODS)
    assert len({method_marker(method) for method in METHODS}) == len(METHODS)


def test_an_unknown_method_has_a_name_and_always_the_same_colour():
    """Its colour is none of the known ones."""
    assert method_name("a_new_idea") == "A new idea"
    assert method_colour("a_new_idea") == method_colour("a_new_idea")
    assert method_colour("a_new_idea") not in {row[1] for row in METHODS.values()}


def test_long_qualifiers_go_to_a_second_line():
    """Short names have one line."""
    assert name_lines("sfsc") == ("SFSC (ours)", "")
    assert name_lines("sfsc@kl_weight=0.005") == ("SFSC", "KL weight: 0.005")
    assert name_lines("a_very_long_new_idea") == ("A very long new idea", "")
    assert name_lines("bct_s_classifier_all") == ("BCT-S", "(classifier moved by all)")


@pytest.mark.parametrize("seed", range(10))
def test_labels_keep_their_order_and_their_distance(seed: int):
    """Lines may end as close as they like."""
    wanted = np.random.default_rng(seed).random(6)
    places = spread(wanted, 0.1)
    order = np.argsort(wanted)
    assert np.all(np.diff(places[order]) >= 0.1 - 1e-9)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_labels_stay_beside_their_panel(end: float):
    """Lines may all end at its lower or upper edge."""
    places = spread(np.full(4, end), 0.1)
    assert (places.min(), places.max()) == pytest.approx((0.0, 0.3) if end == 0 else (0.7, 1.0))


def test_labels_that_fit_stay_in_place():
    """Nothing is moved without need."""
    assert spread(np.array([0.9, 0.1, 0.5]), 0.1) == pytest.approx([0.9, 0.1, 0.5])


def test_names_are_beside_their_lines_in_panels_that_share_an_axis():
    """A later panel changes the limits of an earlier one, which has its names by then."""
    figure = Figure()
    panels = figure.subplots(1, 2, sharey=True)
    for panel, end in zip(panels, (1.0, 10.0), strict=True):
        panel.plot([0, 1], [0, end])
        label_ends(panel, [end], ["a line"], [INK])
    figure.draw_without_rendering()
    for panel, end in zip(panels, (1.0, 10.0), strict=True):
        (name,) = [text for text in panel.findobj(Text) if text.get_text() == "a line"]
        (_, pixel) = panel.transAxes.transform(name.get_position())
        assert pixel == pytest.approx(panel.transData.transform((0, end))[1])


def test_words_are_dark_enough_on_white():
    """A colour with enough contrast is kept."""
    assert readable("#1a1a1a") == "#1a1a1a"
    assert readable("#56B4E9") != "#56b4e9"


def test_sub_models_have_colours_of_their_own():
    """Light for the smallest, dark for the full one."""
    assert len(set(width_colours(8))) == 8
    assert len(width_colours(1)) == 1
