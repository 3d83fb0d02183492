"""The result of the last comparison of a migration, for those who have to know whether it may be cut over."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from s3_sync.config.settings import Mapping
from s3_sync.errors import StateError
from s3_sync.state.atomic import write_atomically
from s3_sync.streams.small_files import is_count, is_text, number, parse_json, read_file


@dataclass(frozen=True, slots=True)
class CompareRecord:
    """``begun`` and ``ended``: seconds since the epoch, 0.0 for one that has not ended. ``differences`` and
    ``by_clients``: number of findings by kind; ``errors``: containers that could not be read completely."""

    begun: float
    ended: float = 0.0
    names: int = 0
    differences: dict[str, int] = field(default_factory=dict)
    by_clients: dict[str, int] = field(default_factory=dict)
    errors: int = 0

    @property
    def is_equal(self) -> bool:
        return self.ended > 0.0 and not self.differences and not self.errors


def state_path(status_dir: str, mapping: Mapping) -> str:
    """Return the path of the progress of a comparison."""
    return os.path.join(status_dir, f".compare-{mapping.fingerprint}.sqlite")


def write_record(status_dir: str, mapping: Mapping, record: CompareRecord) -> None:
    """Raises StateError."""
    path = _path(status_dir, mapping)
    try:
        write_atomically(path, json.dumps(asdict(record)).encode("ascii"))
    except OSError as error:
        raise StateError(f"cannot write {path}: {error}") from error


def read_record(status_dir: str, mapping: Mapping) -> CompareRecord | None:
    """Return the last record; None if there is none, or an unusable one. Raises StateError."""
    path = _path(status_dir, mapping)
    try:
        found = parse_json(read_file(path))
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise StateError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        return None
    names, errors = found.get("names"), found.get("errors")
    return CompareRecord(
        number(found.get("begun")),
        number(found.get("ended")),
        names if is_count(names) else 0,
        _counts(found.get("differences")),
        _counts(found.get("by_clients")),
        errors if is_count(errors) else 1,
    )


def _counts(found: Any) -> dict[str, int]:
    """Anything unusable counts as a finding."""
    if not isinstance(found, dict):
        return {"unreadable": 1}
    return {key: value for key, value in found.items() if is_text(key) and is_count(value)}


def _path(status_dir: str, mapping: Mapping) -> str:
    return os.path.join(status_dir, f".compare-{mapping.fingerprint}.json")
