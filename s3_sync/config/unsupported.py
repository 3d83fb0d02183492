"""Options that are valid but not supported by this version yet. They are refused, never silently ignored.

Remove the entry when the feature is implemented; docs/configuration.md marks the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3_sync.config.file.base import FileModel
from s3_sync.config.findings import Diagnostics, join, shown


@dataclass(frozen=True, slots=True)
class Unsupported:
    """``refused``: the unsupported values; None = every true value (not 0, false or empty)."""

    key: str
    note: str = ""
    refused: tuple[Any, ...] | None = None

    def refuses(self, value: Any) -> bool:
        return bool(value) if self.refused is None else value in self.refused


Tables = tuple[Unsupported, ...]

MAPPING_OPTIONS = (Unsupported("provider", refused=("gcs",)),)

#: for the middlewares of a proxy, which do not depend on how objects are copied
SHUNT_OPTIONS = (Unsupported("provider", refused=("gcs",)),)

TOP_LEVEL_OPTIONS = (Unsupported("bulk_process", "rows are handled one by one"),)


def refuse(
    options: Tables, form: type[FileModel], written: Mapping[str, Any], place: str, findings: Diagnostics
) -> None:
    """Add a problem for every unsupported value in ``written``. ``form`` gives the keys; options that it does
    not have are skipped."""
    for option in options:
        if option.key not in form.model_fields:
            continue
        key = form.key(option.key)
        value = written.get(key)
        here = join(place, key)
        if option.refuses(value) and not findings.has_problem(here):
            note = f" ({option.note})" if option.note else ""
            findings.problem(here, f"{shown(value)}{note} is not supported by this version")
