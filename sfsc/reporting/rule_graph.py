"""The README's graph of rules, made from what Snakemake says of the default study.

    snakemake --rulegraph mermaid-js -- all | python -m sfsc.reporting.rule_graph README.md

replaces what stands between `<!-- rule graph -->` and `<!-- end -->`. Rules of one family, say all
figures, become one node; edges that a longer way implies, and `all`, are left out.
"""

import re
import sys
from collections.abc import Mapping
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
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", mermaid, re.MULTILINE))
    edges = re.findall(r"^\s*(id\d+) --> (id\d+)", mermaid, re.MULTILINE)
    labels = _labels([name for name in names.values() if name != "all"])
    graph: Graph = {label: set() for label in labels.values()}
    for source, target in edges:
        ends = [labels.get(names[end]) for end in (source, target)]
        if all(ends) and ends[0] != ends[1]:
            graph[str(ends[0])].add(str(ends[1]))
    ids = {label: re.match(r"\w+", label)[0].rstrip("_") for label in graph}  # type: ignore[index]
    lines = [f'    {ids[label]}["{label}"]' for label in sorted(graph) if ids[label] != label]
    lines += [
        f"    {ids[source]} --> {' & '.join(ids[t] for t in sorted(targets))}"
        for source in sorted(graph)
        if (targets := _direct(graph, source))
    ]
    return "\n".join(
        ["<!-- rule graph -->", "```mermaid", "flowchart LR", *lines, "```", "<!-- end -->"]
    )


def _labels(rules: list[str]) -> Mapping[str, str]:
    """Return the node of each rule: its own name, or its family's with the number of rules."""
    families = {rule: rule.partition("_")[0] for rule in rules}
    counts = {family: list(families.values()).count(family) for family in FAMILIES}
    return {
        rule: f"{family}_* ({counts[family]})" if counts.get(family, 0) > 1 else rule
        for rule, family in families.items()
    }


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
