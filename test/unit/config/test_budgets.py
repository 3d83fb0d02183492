"""Budgets: what they come to at what time, and what is said of mistakes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from s3_sync.config.budgets import Budget, Rates
from s3_sync.config.file.budgets import BudgetForm, DeleteBudgetForm, days_of
from s3_sync.config.load import load
from s3_sync.config.report import SYNC, render
from unit.config.written import MAPPING, problems_of

OFFICE = {"days": "mon-fri", "from": "08:00", "to": "18:00", "bytes_per_second": 10_000}
CREDENTIALS = {"identity": "id", "secret": "the secret key"}
ENTRY = {
    "account": "AUTH_lab",
    "container": "scans",
    "bucket": "archive",
    "credentials": "aws",
    "profile": "mirror",
}


def budget(**written: Any) -> Budget:
    return BudgetForm.model_validate(written).budget()


def at(found: Budget, text: str, zone: str) -> Rates:
    return found.at(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", {0}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat, sun", {5, 6}),
        ("fri-mon,wed", {4, 5, 6, 0, 2}),
        ("Mon-Sun", set(range(7))),
        ("tue-mon", set(range(7))),
    ],
)
def test_days_of_names_and_ranges_returns_weekday_numbers(text: str, days: set[int]) -> None:
    assert days_of(text) == days


# 2026-01-05 is a Monday
@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-01-05T07:59:59", 50_000),
        ("2026-01-05T08:00:00", 10_000),
        ("2026-01-09T17:59:59", 10_000),
        ("2026-01-09T18:00:00", 50_000),
        ("2026-01-10T12:00:00", 50_000),  # Saturday
        ("2026-01-10T23:00:00", None),  # from Saturday night ...
        ("2026-01-11T05:59:00", None),  # ... to Sunday morning
        ("2026-01-11T06:00:00", 50_000),
        ("2026-01-11T23:00:00", 50_000),
    ],
)
def test_budget_with_timetable_returns_rates_of_the_hour(when: str, expected: int | None) -> None:
    night = {"days": "sat", "from": "22:00", "to": "06:00"}
    found = budget(bytes_per_second=50_000, timezone="Europe/Berlin", timetable=[OFFICE, night])
    assert at(found, when, "Europe/Berlin") == Rates(expected)


def test_timetable_without_time_zone_uses_local_time() -> None:
    found = budget(timetable=[OFFICE])
    for hour, expected in ((7, None), (8, 10_000), (17, 10_000), (18, None)):
        assert found.at(datetime(2026, 1, 5, hour).timestamp()) == Rates(expected)


def test_overlapping_timetable_entries_first_one_sets_all_rates() -> None:
    first = {"days": "mon", "requests_per_second": 5}
    found = budget(bytes_per_second=50_000, timezone="UTC", timetable=[first, OFFICE])
    assert at(found, "2026-01-05T12:00", "UTC") == Rates(None, 5)
    assert at(found, "2026-01-06T12:00", "UTC") == Rates(10_000)


def test_timetable_at_clock_change_follows_the_wall_clock() -> None:
    """2026-03-29 in Berlin has no 02:30, 2026-10-25 has two of them."""
    found = budget(
        timezone="Europe/Berlin", timetable=[{"from": "02:00", "to": "03:00", "bytes_per_second": 10_000}]
    )

    def hours(day: str) -> int:
        begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
        return sum(found.at(begin + 3600 * hour) == Rates(10_000) for hour in range(6))

    assert (hours("2026-03-28"), hours("2026-03-29"), hours("2026-10-25")) == (1, 0, 2)


@pytest.mark.parametrize("rates", [{"bytes_per_second": 0}, {"requests_per_second": 0}])
def test_budget_with_rate_of_zero_is_closed(rates: Any) -> None:
    assert budget(**rates).at(0.0).closed
    assert not budget(bytes_per_second=10_000).at(0.0).closed


@pytest.mark.parametrize(
    ("written", "place", "message"),
    [
        ({"bytes_per_second": 9_999}, "bytes_per_second", "must be 0 (no transfers) or at least 10000"),
        ({"bytes_per_second": -1}, "bytes_per_second", "must be at least 0"),
        ({"requests_per_second": 0.01}, "requests_per_second", "must be 0 (no transfers) or at least"),
        ({"requests_per_second": "5"}, "requests_per_second", "must be a number"),
        ({"timezone": "Berlin"}, "timezone", "is not a time zone of this machine"),
        ({"timezone": "../x"}, "timezone", "must be the name of a time zone"),
        ({"timetable": [OFFICE, {"days": "mo"}]}, "timetable[1].days", 'must be days such as "mon-fri"'),
        ({"timetable": [{"from": "8:00"}]}, "timetable[0].from", 'must be a time of day such as "08:00"'),
        ({"timetable": [{"to": "24:01"}]}, "timetable[0].to", "must be a time of day"),
        ({"timetable": [{"from": "08:00", "to": "08:00"}]}, "timetable[0]", "must not begin at"),
        ({"timetable": [{"until": "08:00"}]}, "timetable[0].until", "is not a known key"),
        ({"timetable": {}}, "timetable", "must be a list"),
        ({"rate": 1}, "rate", "is not a known key"),
    ],
)
@pytest.mark.parametrize("section", ["credentials.aws", "profiles.mirror", "mappings[0]"])
def test_invalid_budget_is_reported_at_its_place(
    tmp_path: Path, write: Any, section: str, written: Any, place: str, message: str
) -> None:
    path = new_form(write, section, written)
    loaded = load(path)
    assert any(line.startswith(f"{section}.budget.{place} {message}") for line in problems_of(loaded)) or any(
        f"{section}.budget.{place}" in line and message in line for line in problems_of(loaded)
    ), problems_of(loaded)
    assert loaded.settings
    assert loaded.settings.mappings == ()


def new_form(write: Any, section: str, written: Any) -> Path:
    path: Path = write()
    content = json.loads(path.read_text())
    del content["containers"]
    content |= {"credentials": {"aws": dict(CREDENTIALS)}, "profiles": {"mirror": {"type": "sync"}}}
    content["mappings"] = [dict(ENTRY)]
    where = {
        "credentials.aws": content["credentials"]["aws"],
        "profiles.mirror": content["profiles"]["mirror"],
        "mappings[0]": content["mappings"][0],
    }
    where[section]["budget"] = written
    path.write_text(json.dumps(content))
    return path


def test_budget_in_any_section_applies_to_account_or_profile(write: Any) -> None:
    written = {"bytes_per_second": 50_000_000}
    for section in ("credentials.aws", "profiles.mirror", "mappings[0]"):
        loaded = load(new_form(write, section, written))
        assert loaded.problems == ()
        assert loaded.settings
        [found] = loaded.settings.mappings
        shared = section == "credentials.aws"
        assert (found.account_budget is not None, found.profile.budget is not None) == (shared, not shared)
        assert "50,000,000 bytes per second" in render(loaded, "sync.json", SYNC)


def test_budget_in_flat_entry_becomes_that_of_the_profile(write: Any) -> None:
    loaded = load(write(MAPPING | {"budget": {"requests_per_second": 5}}))
    assert loaded.problems == ()
    assert loaded.settings
    assert loaded.settings.mappings[0].profile.budget == budget(requests_per_second=5)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({}, "delete_budget: requires deletes or percent, or both"),
        ({"interval": 3600}, "delete_budget: requires deletes or percent, or both"),
        ({"deletes": -1}, "delete_budget.deletes: must be at least 0"),
        ({"deletes": 1.5}, "delete_budget.deletes: must be a whole number"),
        ({"percent": 100}, "delete_budget.percent: must be below 100"),
        ({"deletes": 1, "interval": 59}, "delete_budget.interval: must be at least 60"),
        ({"deletes": 1, "then": "never"}, "delete_budget.then: must be one of"),
        ({"deletes": 1, "per": 1}, "delete_budget.per: is not a known key"),
    ],
)
def test_invalid_delete_budget_is_reported_at_its_place(write: Any, written: Any, message: str) -> None:
    path = new_form(write, "profiles.mirror", None)
    content = json.loads(path.read_text())
    content["profiles"]["mirror"]["delete_budget"] = written
    path.write_text(json.dumps(content))
    loaded = load(path)
    assert any(f"profiles.mirror.{message}" in line for line in problems_of(loaded)), problems_of(loaded)
    assert loaded.settings
    assert loaded.settings.mappings == ()


@pytest.mark.parametrize(
    ("written", "objects", "replicas", "expected"),
    [
        ({"deletes": 10}, 1000, 1, 10),
        ({"deletes": 10}, 1000, 3, 4),
        ({"percent": 5}, 1000, 1, 50),
        ({"percent": 5, "deletes": 10}, 1000, 1, 10),
        ({"percent": 0.5, "deletes": 10}, 1000, 1, 5),
    ],
)
def test_delete_budget_allows_the_smaller_of_number_and_share(
    written: Any, objects: int, replicas: int, expected: int
) -> None:
    found = DeleteBudgetForm.model_validate(written).budget()
    assert found.allows(objects, replicas) == expected


def test_render_of_delete_budget_shows_its_limits(write: Any) -> None:
    loaded = load(write(MAPPING | {"delete_budget": {"deletes": 1000, "percent": 5}}))
    assert loaded.problems == ()
    text = " ".join(render(loaded, "sync.json", SYNC).split())
    assert (
        "at most 1,000 deletes and 5 % of the objects in 1 day; further deletes wait for the operator" in text
    )
