"""Options that are valid but not supported by this version yet. They are refused, never silently ignored.

Remove the entry when the feature is implemented; docs/configuration.md marks the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3_sync.config.file.base import FileModel
from s3_sync.config.findings import Diagnostics, shown


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Every true value (not 0, false or empty) is refused."""

    key: str
    note: str


TOP_LEVEL_OPTIONS = (Unsupported("bulk_process", "rows are handled one by one"),)


def refuse(form: type[FileModel], written: Mapping[str, Any], findings: Diagnostics) -> None:
    """Add a problem for every unsupported option of the top level in ``written``. ``form`` gives the keys."""
    for option in TOP_LEVEL_OPTIONS:
        key = form.key(option.key)
        if (value := written.get(key)) and not findings.has_problem(key):
            findings.problem(key, f"{shown(value)} ({option.note}) is not supported by this version")
