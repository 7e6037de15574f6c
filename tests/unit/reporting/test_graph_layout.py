"""The drawing of a graph: rows from top to bottom, nothing on top of anything else."""

import itertools
import re

from sfsc.reporting.graph_layout import BOX_HEIGHT, ROW_HEIGHT, Picture, draw_graph

GRAPH = {
    "prepare": {"train_a", "train_b", "train_c", "train_reference"},
    "train_a": {"embed"},
    "train_b": {"embed"},
    "train_c": {"embed"},
    "train_reference": {"train_d", "train_e"},
    "train_d": {"assemble"},
    "train_e": {"assemble"},
    "assemble": {"embed"},
    "embed": {"tables", "claims"},
    "tables": {"report"},
    "claims": {"report"},
    "report": set(),
}
"""With three edges that pass two rows."""


def draw(graph: dict[str, set[str]]) -> Picture:
    """Draw a graph with each node's initial as its note."""
    return draw_graph(graph, {name: name[0] for name in graph})


def test_every_node_is_a_box_below_all_that_it_needs():
    """Rows are a row's height apart."""
    picture = draw(GRAPH)
    tops = {box.name: box.top for box in picture.boxes}
    assert tops.keys() == GRAPH.keys()
    assert {box.note for box in picture.boxes} == {"p", "t", "a", "e", "c", "r"}
    for source, targets in GRAPH.items():
        assert all(tops[source] + ROW_HEIGHT <= tops[target] for target in targets)
    assert tops["report"] + BOX_HEIGHT == picture.height


def test_what_needs_nothing_is_right_above_its_use():
    """A data set that is not downloaded is beside one that is."""
    graph = {"fetch": {"one"}, "one": {"train"}, "two": {"train"}, "train": set()}
    tops = {box.name: box.top for box in draw(graph).boxes}
    assert tops == {"fetch": 0, "one": ROW_HEIGHT, "two": ROW_HEIGHT, "train": 2 * ROW_HEIGHT}


def test_boxes_are_apart_and_in_the_picture():
    """Also where many are in a row."""
    picture = draw(GRAPH)
    for one, other in itertools.combinations(picture.boxes, 2):
        assert one.top != other.top or abs(one.left - other.left) > picture.box_width
    assert all(0 <= box.left <= picture.width - picture.box_width for box in picture.boxes)


def test_lines_to_one_box_join_and_pass_no_box():
    """Three edges pass the rows of the other trainings as one."""
    picture = draw(GRAPH)
    passing = [
        (float(x), float(top))
        for line in picture.lines
        for x, top in re.findall(rf" ([\d.]+) (\d+)v{BOX_HEIGHT}$", line.path)
    ]
    assert sorted({top for _, top in passing}) == [2 * ROW_HEIGHT, 3 * ROW_HEIGHT]
    assert len(set(passing)) == 2
    assert len(passing) == 4  # three into the upper row, one on into the lower
    for x, top in passing:
        for box in picture.boxes:
            assert box.top != top or not box.left <= x <= box.left + picture.box_width


def test_arrows_end_in_the_middle_of_a_box():
    """Every node that needs another has one."""
    picture = draw(GRAPH)
    ends = {
        tuple(map(float, re.findall(r" ([\d.]+) (\d+)$", line.path)[0]))
        for line in picture.lines
        if line.is_arrow
    }
    middles = {(box.left + picture.box_width / 2, box.top) for box in picture.boxes if box.top}
    assert ends == middles


def test_the_order_of_the_rules_does_not_matter():
    """The page is the same bytes on every run."""
    backwards = {name: GRAPH[name] for name in reversed(GRAPH)}
    one, other = draw(GRAPH), draw(backwards)
    assert set(one.boxes) == set(other.boxes)
    assert one.lines == other.lines
