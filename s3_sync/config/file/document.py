"""Reads the file as one JSON object."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn

from s3_sync.config.findings import Diagnostics
from s3_sync.streams.small_files import read_file


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. ``duplicates``: keys that occur more than once in one object; the last one is used."""

    written: dict[str, Any]
    readable_by_all: bool
    duplicates: tuple[str, ...]


def read_document(path: str | os.PathLike[str], findings: Diagnostics) -> Document | None:
    """Read and parse the file; None after adding a problem. Raises FileNotFoundError."""
    try:
        content = read_file(path)
        readable_by_all = bool(os.stat(path).st_mode & stat.S_IROTH)
    except FileNotFoundError:
        raise
    except OSError as error:
        findings.problem("", f"the file cannot be read: {error.strerror}")
        return None
    except ValueError as error:
        findings.problem("", f"the file cannot be read: {error}")
        return None
    duplicates: set[str] = set()
    written = _parse(content, duplicates, findings)
    if isinstance(written, dict):
        return Document(written, readable_by_all, tuple(sorted(duplicates)))
    if not findings.problems:
        findings.problem("", "the file must contain one JSON object: {...}")
    return None


def _parse(content: bytes, duplicates: set[str], findings: Diagnostics) -> Any:
    def to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            duplicates.update(name for name, count in counts.items() if count > 1)
        return result

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        written = json.loads(content.decode("utf-8-sig"), object_pairs_hook=to_dict, parse_constant=constant)
        json.dumps(written, ensure_ascii=False).encode("utf-8")  # raises for an unpaired surrogate
        return written
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.problem(f"line {line}", "the file is not UTF-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode("ascii")
        findings.problem("", f"the file contains {half}, which is half of a surrogate pair")
    except json.JSONDecodeError as error:
        findings.problem(f"line {error.lineno}, column {error.colno}", f"invalid JSON: {error.msg}")
    except ValueError as error:
        findings.problem("", f"invalid JSON: {error}")
    except RecursionError:
        findings.problem("", "the file is nested too deeply")
    return None
