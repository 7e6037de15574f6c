"""The README's results, copied from the generated tables: no number in it is typed.

    python -m sfsc.reporting.readme README.md

replaces what stands between `<!-- results: <study> -->` and `<!-- end -->` by what the study's
`reports/<study>/tables/main.csv` says, in words and as a table.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from sfsc.files import replacing

BLOCK = re.compile(r"<!-- results: (?P<study>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def render(readme: Path) -> str:
    """Return the README with its result blocks as the tables beside it have them.

    Args:
        readme: The README; its folder holds `reports/`.
    """
    reports = readme.parent / "reports"

    def block(match: re.Match[str]) -> str:
        tables = reports / match["study"] / "tables"
        frame = pd.read_csv(tables / "main.csv")
        sentences = [_finding(name, rows) for name, rows in frame.groupby("dataset", sort=False)]
        table = (tables / "main.md").read_text().strip()
        content = "\n\n".join([*sentences, table])
        return f"<!-- results: {match['study']} -->\n{content}\n<!-- end -->"

    return BLOCK.sub(block, readme.read_text())


def _finding(dataset: object, rows: pd.DataFrame) -> str:
    """One sentence: SFSC's average mAP, and by how much each other method is below or above."""
    by_method = rows.set_index("method")
    ours = by_method.loc["sfsc"]
    comparisons = [
        f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'} `{method}` "
        f"({row.average_map_mean:.1f} ± {row.average_map_std:.1f})"
        for method, row in by_method.drop("sfsc").iterrows()
        for gap in [ours.average_map_mean - row.average_map_mean]
    ]
    return (
        f"On `{dataset}`, over {ours.n_seeds} seeds, `sfsc` reaches an average mAP of "
        f"{ours.average_map_mean:.1f} ± {ours.average_map_std:.1f} %: "
        f"{', '.join(comparisons[:-1])} and {comparisons[-1]}."
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    rendered = render(path)
    with replacing(path) as temporary:
        temporary.write_text(rendered)
