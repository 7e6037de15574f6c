"""The README's graph is Snakemake's, in few nodes."""

from sfsc.reporting.rule_graph import parse, render

MERMAID = """\
---
title: DAG
---
flowchart TB
    id0[all]
    id1[prepare]
    id2[train_sfsc]
    id3[figure_a]
    id4[figure_b]
    id5[report]
    style id0 fill:#D99357
    id1 --> id2
    id1 --> id3
    id2 --> id3
    id2 --> id4
    id3 --> id5
    id4 --> id5
    id5 --> id0
    id2 --> id0
"""


def test_families_are_one_node_and_implied_edges_are_left_out():
    """Two figures become one node; the way from the data to them leads through the training."""
    assert render(MERMAID) == (
        "<!-- rule graph -->\n```mermaid\nflowchart LR\n"
        '    figure["figure_* (2)"]\n'
        "    figure --> report\n"
        "    prepare --> train_sfsc\n"
        "    train_sfsc --> figure\n"
        "```\n<!-- end -->"
    )


def test_the_target_is_no_node():
    """`all` makes nothing."""
    assert parse(MERMAID) == {
        ("prepare", "train_sfsc"), ("prepare", "figure_a"), ("train_sfsc", "figure_a"),
        ("train_sfsc", "figure_b"), ("figure_a", "report"), ("figure_b", "report"),
    }  # fmt: skip
