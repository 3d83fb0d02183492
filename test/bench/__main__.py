"""`bin/bench [CASE ...] [--json FILE]`: see there."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.first_copy import first_copy

CASES: dict[str, Callable[[Path, Callable[[str], None]], dict[str, Any]]] = {"first_copy": first_copy}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/bench")
    parser.add_argument("cases", nargs="*", help=f"of: {', '.join(CASES)}; default: all")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}")
    console = Console(highlight=False)
    results = []
    for name in arguments.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="swift-s3-sync-bench-") as directory:
            result = CASES[name](Path(directory), lambda text, name=name: console.print(f"{name}: {text}"))
        results.append(result)
        console.print(_table(result))
        console.print(f"ratio: {result['ratio']} times rclone")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    return 0


def _table(result: dict[str, Any]) -> Table:
    table = Table(title=f"{result['case']}: {result['objects']} objects of {result['size']} bytes")
    tools = result["tools"]
    table.add_column("tool")
    columns = list(next(iter(tools.values())))
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for tool, row in tools.items():
        table.add_row(tool, *(str(row[column]) for column in columns))
    return table


if __name__ == "__main__":
    sys.exit(main())
