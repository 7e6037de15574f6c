"""The graph of rules in few nodes, and the README's block of it.

    snakemake --rulegraph mermaid-js -- all | python -m sfsc.reporting.rule_graph README.md

replaces what stands between `<!-- rule graph -->` and `<!-- end -->`. Rules of one family, say all
figures, become one node; edges that a longer way implies, and `all`, are left out.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from sfsc.files import replacing

BLOCK = re.compile(r"<!-- rule graph -->\n.*?<!-- end -->", re.DOTALL)
FAMILIES = ("figure", "ablate", "vary", "assemble")
"""How the names of rules begin that are one node."""
Graph = dict[str, set[str]]
"""Node to the nodes that need what it makes."""


def render(mermaid: str) -> str:
    """Return the block: the graph in few nodes, as Mermaid source.

    Args:
        mermaid: What `snakemake --rulegraph mermaid-js` prints.
    """
    edges = parse(mermaid)
    graph = fold(node_names({name for edge in edges for name in edge}), edges)
    ids = {label: re.match(r"\w+", label)[0].rstrip("_") for label in graph}  # type: ignore[index]
    lines = [f'    {ids[label]}["{label}"]' for label in sorted(graph) if ids[label] != label]
    lines += [
        f"    {ids[source]} --> {' & '.join(ids[t] for t in sorted(targets))}"
        for source, targets in sorted(graph.items())
        if targets
    ]
    return "\n".join(
        ["<!-- rule graph -->", "```mermaid", "flowchart LR", *lines, "```", "<!-- end -->"]
    )


def parse(mermaid: str) -> set[tuple[str, str]]:
    """Return the edges between rules, from a rule to one that needs what it makes, without `all`.

    Args:
        mermaid: What `snakemake --rulegraph mermaid-js` prints.
    """
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", mermaid, re.MULTILINE))
    found = re.findall(r"^\s*(id\d+) --> (id\d+)", mermaid, re.MULTILINE)
    edges = {(names[source], names[target]) for source, target in found}
    return {edge for edge in edges if "all" not in edge}


def node_names(rules: Iterable[str]) -> dict[str, str]:
    """Return the node of each rule: its own name, or its family's with the number of rules.

    >>> node_names(["embed", "figure_a", "figure_b"])
    {'embed': 'embed', 'figure_a': 'figure_* (2)', 'figure_b': 'figure_* (2)'}
    """
    families = {rule: rule.partition("_")[0] for rule in rules}
    counts = {family: list(families.values()).count(family) for family in FAMILIES}
    return {
        rule: f"{family}_* ({counts[family]})" if counts.get(family, 0) > 1 else rule
        for rule, family in families.items()
    }


def fold(names: Mapping[str, str], edges: Iterable[tuple[str, str]]) -> Graph:
    """Return the graph of nodes without the edges that a longer way implies.

    Args:
        names: The node of each rule.
        edges: From a rule to one that needs what it makes.
    """
    graph: Graph = {name: set() for name in names.values()}
    for source, target in edges:
        if names[source] != names[target]:
            graph[names[source]].add(names[target])
    return {source: _direct(graph, source) for source in graph}


def _direct(graph: Graph, source: str) -> set[str]:
    """Return the targets of a node that no longer way leads to."""
    targets = graph[source]
    return {t for t in targets if not any(t in _behind(graph, o) for o in targets - {t})}


def _behind(graph: Graph, node: str) -> set[str]:
    """Return all that depends on a node."""
    found: set[str] = set()
    waiting = list(graph[node])
    while waiting:
        found.add(current := waiting.pop())
        waiting += graph[current] - found
    return found


def main() -> None:
    """Renew the README's block from standard input."""
    path = Path(sys.argv[1])
    text = BLOCK.sub(lambda _: render(sys.stdin.read()), path.read_text())
    with replacing(path) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main()
