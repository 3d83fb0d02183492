"""The tables of docs/stores.md: ``python -m s3_sync.config.credentials.s3_dialects_page`` prints them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from s3_sync.config.credentials.s3_dialects import DIALECTS, GIB, HOSTS, MIB, TIB, Dialect


def tables() -> str:
    """Return both tables, with an empty line between them."""
    return "\n".join((*_properties(), "", *_stores()))


def _properties() -> Iterator[str]:
    yield "| property | careful value | meaning |"
    yield "|---|---|---|"
    for name, field in Dialect.model_fields.items():
        if not field.exclude:
            yield f"| `{name}` | {written(field.default)} | {field.description} |"


def _stores() -> Iterator[str]:
    yield "| store | hosts | differs from the careful values in |"
    yield "|---|---|---|"
    for name, dialect in DIALECTS.items():
        hosts = ", ".join(f"`{host}`" for host in HOSTS.get(name, ())) or "–"
        yield f"| `{name}` | {hosts} | {', '.join(_differences(dialect)) or 'nothing'} |"


def _differences(dialect: Dialect) -> Iterator[str]:
    for name, field in Dialect.model_fields.items():
        if not field.exclude and getattr(dialect, name) != field.default:
            yield f"`{name}` {written(getattr(dialect, name))}"


def written(value: Any) -> str:
    """A value as the tables of docs/stores.md show it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(value) or "–"
    if isinstance(value, int) and value >= TIB and value % TIB == 0:
        return f"{value // TIB} TiB"
    if isinstance(value, int) and value >= MIB:
        return f"{value // GIB} GiB" if value % GIB == 0 else f"{value // MIB} MiB"
    return str(value)


if __name__ == "__main__":
    print(tables())
