"""`bin/bench [CASE ...]`: see there."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench.cases import CASES, Case
from bench.results import Result, show
from bench.stage import Stage
from servers.sink import Sink


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/bench")
    parser.add_argument("cases", nargs="*", help=f"of: {', '.join(CASES)}; default: all")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the numbers of objects")
    parser.add_argument("--rounds", type=int, default=3, help="how often each tool has its turn")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    results: list[Result] = []
    for name in arguments.cases or CASES:

        def say(text: str, name: str = name) -> None:
            console.print(f"{name}: {text}")

        result = _play(CASES[name], arguments.scale, arguments.rounds, say)
        results.append(result)
        show(console, result)
        if arguments.json:
            machine = {"python": platform.python_version(), "machine": platform.platform()}
            found = {"machine": machine, "results": [each.as_json() for each in results]}
            arguments.json.write_text(json.dumps(found, indent=1))
    return 0


def _play(case: Case, scale: float, rounds: int, say: Callable[[str], None]) -> Result:
    """Servers of its own for every case: none sees what another one left behind."""
    with (
        case.swift(processes="server", **case.cluster) as cluster,
        Sink() as sink,
        tempfile.TemporaryDirectory(prefix="swift-s3-sync-bench-") as directory,
    ):
        return case.run(Stage(cluster, sink, Path(directory), say, scale, rounds))


if __name__ == "__main__":
    sys.exit(main())
