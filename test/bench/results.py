"""What a case found, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.table import Table

Value = float | int | str


@dataclass(frozen=True)
class Goal:
    """Something to reach: ``value`` at least, or at most, ``limit``."""

    text: str
    value: float
    limit: float
    at_least: bool = True

    @property
    def holds(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Result:
    """``rows``: tool -> column -> value."""

    case: str
    title: str
    rows: dict[str, Mapping[str, Value]]
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        goals = [
            {
                "text": goal.text,
                "value": goal.value,
                "limit": goal.limit,
                "at_least": goal.at_least,
                "holds": goal.holds,
            }
            for goal in self.goals
        ]
        return {
            "case": self.case,
            "title": self.title,
            "rows": self.rows,
            "goals": goals,
            "notes": self.notes,
        }


def show(console: Console, result: Result) -> None:
    """A table, what was to be reached, and notes."""
    columns = list(dict.fromkeys(column for row in result.rows.values() for column in row))
    table = Table(title=f"{result.case}: {result.title}", title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for tool, row in result.rows.items():
        table.add_row(tool, *(_text(row.get(column, "")) for column in columns))
    goals = [
        f"{'reached' if goal.holds else 'NOT REACHED'}: {goal.text}: {_text(goal.value)}"
        f" (to reach: {'at least' if goal.at_least else 'at most'} {_text(goal.limit)})"
        for goal in result.goals
    ]
    console.print(Group(table, *goals, *(f"note: {note}" for note in result.notes), ""))


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else value
