"""What a configuration may ask for and this version cannot do yet. Nothing of it is ignored silently.

A feature that arrives takes its line out of the table; docs/configuration.md marks the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3_sync.config.file.base import Form
from s3_sync.config.findings import Diagnostics, join, shown


@dataclass(frozen=True, slots=True)
class Unsupported:
    """``refused``: the values that cannot be honoured; None = anything but nothing (0, false, empty)."""

    key: str
    note: str = ""
    refused: tuple[Any, ...] | None = None

    def refuses(self, value: Any) -> bool:
        return bool(value) if self.refused is None else value in self.refused


Tables = tuple[Unsupported, ...]

MAPPING_OPTIONS = (
    Unsupported("protocol", refused=("swift", "azure", "gcs")),
    Unsupported("remote_account", "Swift targets only"),
    Unsupported("storage_policy", "Swift targets only"),
    Unsupported("sync_container_metadata", "Swift targets only"),
    Unsupported("sync_container_acl", "Swift targets only"),
    Unsupported("convert_dlo", "Swift targets only"),
    Unsupported("min_segment_size", "Swift targets only"),
)

#: the same for the middlewares of a proxy, which have nothing to do with how objects are copied
SERVED_OPTIONS = (Unsupported("protocol", refused=("swift", "azure", "gcs")),)

TOP_LEVEL_OPTIONS = (Unsupported("bulk_process", "rows are handled one by one"),)


def refuse(
    options: Tables, form: type[Form], written: Mapping[str, Any], place: str, findings: Diagnostics
) -> None:
    """Note a problem for everything in ``written`` that cannot be honoured. ``form`` names the keys; options
    that it does not have are not looked at."""
    for option in options:
        if option.key not in form.model_fields:
            continue
        key = form.key(option.key)
        value = written.get(key)
        here = join(place, key)
        if option.refuses(value) and not findings.has_problem(here):
            note = f" ({option.note})" if option.note else ""
            findings.problem(here, f"{shown(value)}{note} is not supported by this version")
