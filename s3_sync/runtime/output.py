"""Output of the commands: tables in a terminal, tab-separated columns in a pipe, or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime, timezone
from itertools import count
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.progress import TimeRemainingColumn as ETA
from rich.table import Table
from rich.text import Text

#: shown for a missing value
NOTHING = "-"
_SECONDS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Output:
    """Prints to ``file``. ``as_json``: print answers as JSON, and neither tables nor lines of text."""

    def __init__(self, as_json: bool = False, file: TextIO | None = None) -> None:
        self.as_json = as_json
        self.console = Console(file=file or sys.stdout, highlight=False, soft_wrap=True)

    def line(self, text: str = "") -> None:
        self.cells([text])

    def cells(self, texts: Sequence[str]) -> None:
        """Print one row at once, without waiting for the whole table."""
        if self.as_json:
            return
        shown = [printable(each) for each in texts]
        if self.console.is_terminal:
            self.console.print(Text("  ".join(shown)))
        else:
            self._write("\t".join(shown))

    def note(self, text: str) -> None:
        """Print a remark; to stderr in a pipe, so that it does not mix with the columns."""
        if self.as_json:
            return
        if self.console.is_terminal:
            self.line(text)
        else:
            print(printable(text), file=sys.stderr)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()
    ) -> None:
        """Print a table. ``numbers``: right-aligned columns."""
        if self.as_json:
            return
        if not self.console.is_terminal:
            for row in (columns, *rows):
                self._write("\t".join(printable(each) for each in row))
            return
        self.console.print(rendered(columns, rows, numbers), soft_wrap=False)

    def answer(self, value: Any) -> None:
        """Print the result of a use case as JSON; docs/ctl.md lists the keys."""
        if self.as_json:
            written = value
            if is_dataclass(value) and not isinstance(value, type):
                written = asdict(value)
            self._write(json.dumps(_finite(written)))

    @contextmanager
    def progress(self, total: int, what: str) -> Iterator[Callable[..., None]]:
        """Show how many of ``total`` are done, on a terminal only. Yields a function to call for each, with
        another ``what``, if any. ``total`` is an estimate: it grows where more are done."""
        shown = self.console.is_terminal and not self.as_json
        text = TextColumn("{task.completed}/{task.total} {task.description}", markup=False)
        columns = text, BarColumn(), ETA()
        with Progress(*columns, console=self.console, transient=True, disable=not shown) as progress:
            task = progress.add_task(printable(what), total=total)
            done = count(1)

            def advance(now: str = what) -> None:
                number = next(done)
                most = max(total, number)
                progress.update(task, completed=number, total=most, description=printable(now))

            yield advance

    def flush(self) -> None:
        """Raises BrokenPipeError if the reader has closed the pipe."""
        self.console.file.flush()

    def _write(self, text: str) -> None:
        self.console.file.write(text + "\n")


def _finite(value: Any) -> Any:
    """Replace infinities, which JSON does not have, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def rendered(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(each)) for each in row))
    return table


def printable(text: str) -> str:
    """Escape control characters, so that a name can neither control the terminal nor fake a column or
    line."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in text
    )


def size(number: float) -> str:
    """Format bytes in binary units: ``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} PiB"


def duration(seconds: float | None) -> str:
    """Format seconds in the two largest units: ``3d 4h``, ``12s``."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    rest = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in _SECONDS:
        if rest >= length or (unit == "s" and not parts):
            parts.append(f"{rest // length}{unit}")
            rest %= length
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def moment(seconds: float | None) -> str:
    """Format a time as ``2026-01-31 12:00:00Z``; ``-`` if it is not a date."""
    if seconds is None:
        return NOTHING
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return NOTHING
