"""Models of ``budget`` and ``delete_budget``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from s3_sync.config.budgets import DAYS, Budget, DeleteBudget, Hours, Rates
from s3_sync.config.file.base import FileModel, wrong

#: at lower rates the pauses within a transfer would be so long that the store times out
MIN_BYTES_PER_SECOND, MIN_REQUESTS_PER_SECOND = 10_000, 0.1
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _bytes(value: int) -> int:
    if 0 < value < MIN_BYTES_PER_SECOND:
        raise wrong(f"must be 0 (no transfers) or at least {MIN_BYTES_PER_SECOND}")
    return value


def _requests(value: float) -> float:
    if 0 < value < MIN_REQUESTS_PER_SECOND:
        raise wrong(f"must be 0 (no transfers) or at least {MIN_REQUESTS_PER_SECOND:g}")
    return value


def _days(value: str) -> str:
    days_of(value)
    return value


def days_of(text: str) -> frozenset[int]:
    """Parse days such as ``mon-fri,sun`` into numbers, 0 = Monday; a range may wrap around Sunday."""
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = (name.strip().lower() for name in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS:
            raise wrong(f'must be days such as "mon-fri" or "sat,sun"; days are {", ".join(DAYS)}')
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days.update(day % 7 for day in range(begin, end + 1 if begin <= end else end + 8))
    return frozenset(days)


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise wrong('must be a time of day such as "08:00"')
    return value


def _minutes(value: str) -> int:
    return int(value[:2]) * 60 + int(value[3:])


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise wrong("must be the name of a time zone such as Europe/Berlin") from None
    except KeyError:
        raise wrong("is not a time zone of this machine, such as Europe/Berlin") from None
    return value


BytesPerSecond = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**53), AfterValidator(_bytes)]
RequestsPerSecond = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False), AfterValidator(_requests)]
TimeOfDay = Annotated[str, AfterValidator(_time)]


class RatesForm(FileModel):
    bytes_per_second: BytesPerSecond | None = None
    requests_per_second: RequestsPerSecond | None = None

    def rates(self) -> Rates:
        return Rates(self.bytes_per_second, self.requests_per_second)


class HoursForm(RatesForm):
    """One entry of a ``timetable``."""

    days: Annotated[str, AfterValidator(_days)] = "mon-sun"
    start: TimeOfDay = Field("00:00", alias="from")
    end: TimeOfDay = Field("24:00", alias="to")

    @model_validator(mode="after")
    def _lasts(self) -> HoursForm:
        if self.start == self.end or self.start == "24:00":
            raise wrong(f'must not begin at "{self.start}" and end at "{self.end}"')
        return self

    def hours(self) -> Hours:
        return Hours(days_of(self.days), _minutes(self.start), _minutes(self.end), self.rates())


class BudgetForm(RatesForm):
    """``budget`` of a mapping, a profile, or credentials."""

    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    timetable: list[HoursForm] = Field(default_factory=list)

    def budget(self) -> Budget:
        zone = None if self.timezone is None else ZoneInfo(self.timezone)
        return Budget(self.rates(), tuple(form.hours() for form in self.timetable), zone)


class DeleteBudgetForm(FileModel):
    """``delete_budget`` of a mapping or a profile."""

    deletes: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**53)] | None = None
    percent: Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False)] | None = None
    interval: Annotated[float, Field(ge=60, le=366 * 86400, allow_inf_nan=False)] = 86400.0
    then: Literal["operator", "next_interval"] = "operator"

    @model_validator(mode="after")
    def _limits(self) -> DeleteBudgetForm:
        if self.deletes is None and self.percent is None:
            raise wrong("requires deletes or percent, or both")
        return self

    def budget(self) -> DeleteBudget:
        return DeleteBudget(self.deletes, self.percent, self.interval, self.then)
