"""Printing of benchmark results."""

import json
from collections.abc import Mapping


def print_result(
    result: Mapping[str, float], limits: Mapping[str, float], *, as_json: bool
) -> None:
    """Print figures with their limits: one JSON object, or one line per figure."""
    if as_json:
        print(json.dumps({**result, "limits": limits}, indent=1))
        return
    for key, value in result.items():
        limit = f"  (limit {limits[key]})" if key in limits else ""
        print(f"{key:30} {value:12.6g}{limit}")
