"""What is shown, and that no name can make it look like something else."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from s3_sync.admin.node import Running
from s3_sync.admin.resets import since_of
from s3_sync.errors import UsageError
from s3_sync.runtime.output import Output, duration, moment, printable, size


def test_piped_table_has_tab_separated_columns_with_escaped_cells() -> None:
    file = io.StringIO()
    output = Output(file=file)
    output.table(("a", "b"), [("1", "x\ty\nz\x1b[31m"), ("[bold]", "ü" * 300)])
    output.line("[red]text")
    output.cells(["one\t", "two"])
    assert file.getvalue().splitlines() == [
        "a\tb",
        "1\tx\\ty\\nz\\x1b[31m",
        f"[bold]\t{'ü' * 300}",
        "[red]text",
        "one\\t\ttwo",
    ]


def test_terminal_table_escapes_control_characters_and_markup() -> None:
    file = io.StringIO()
    output = Output()
    output.console = Console(file=file, force_terminal=True, width=60, color_system=None)
    output.table(("name", "number"), [("[bold]\x1b[2J", "5")], ("number",))
    assert file.getvalue().split() == ["name", "number", "[bold]\\x1b[2J", "5"]


def test_json_output_writes_only_answers_one_to_a_line() -> None:
    file = io.StringIO()
    output = Output(as_json=True, file=file)
    output.line("text")
    output.table(("a",), [("1",)])
    output.answer(Running(True, 5))
    output.answer({"a": "ü"})
    output.note("remark")
    output.answer({"never": [float("inf"), {"x": float("nan")}]})
    first, second, third = file.getvalue().splitlines()
    assert third == '{"never": [null, {"x": null}]}'
    assert json.loads(first) == {"running": True, "pid": 5, "updated": None}
    assert json.loads(second) == {"a": "ü"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m 59s"),
        (90_000, "1d 1h"),
        (86_460, "1d"),
        (float("inf"), "-"),
    ],
)
def test_duration_is_shown_with_two_units_at_most(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_moments_and_unprintable_text_are_formatted() -> None:
    sizes = [
        size(number) for number in (0, 1023, 1024, 1536 * 1024, 5 * 1024**3, 3 * 1024**5, 9000 * 1024**5)
    ]
    assert sizes == ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "5.0 GiB", "3.0 PiB", "9000.0 PiB"]
    assert (moment(None), moment(1_700_000_000)) == ("-", "2023-11-14 22:13:20Z")
    assert [moment(each) for each in (float("inf"), float("nan"), 1e300, -1e300)] == ["-"] * 4
    assert printable("a\u2028\udc80") == "a\\u2028\\udc80"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 2e9 - 86400),
        ("2w", 2e9 - 14 * 86400),
        ("1700000000.5", 1700000000.5),
        ("2023-11-14", 1699920000.0),
        ("2023-11-14T22:13:20Z", 1700000000.0),
        ("999999999w", 0.0),
        ("0001-01-01", 0.0),
    ],
)
def test_since_is_parsed_from_ages_timestamps_and_dates(text: str, seconds: float) -> None:
    assert since_of(text, 2e9) == seconds


@pytest.mark.parametrize(
    "text", ["yesterday", "24", "h", "-5h", "2023-13-01", "", "2099-01-01", "99999999999", "9" * 50 + "w"]
)
def test_since_that_is_malformed_or_in_the_future_raises_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        since_of(text, 1e9)


def test_progress_on_a_terminal_shows_what_is_done_now_without_control_characters() -> None:
    output, shown = Output(), io.StringIO()
    output.console = Console(file=shown, force_terminal=True, width=100)
    with output.progress(2, "mappings[0]") as advance:
        advance("mappings[0]: GET \x07")
        advance()
    assert "mappings[0]: GET \\x07" in shown.getvalue() or "2/2 mappings[0]" in shown.getvalue()
    assert "\x07" not in shown.getvalue()
    with Output(file=shown).progress(1, "silent") as advance:
        advance()
    assert "silent" not in shown.getvalue()


def test_progress_of_more_than_was_expected_has_a_larger_total() -> None:
    output, shown = Output(), io.StringIO()
    output.console = Console(file=shown, force_terminal=True, width=100, color_system=None)
    with output.progress(1, "objects") as advance:
        for _ in range(3):
            advance()
    assert "3/3 objects" in shown.getvalue()
