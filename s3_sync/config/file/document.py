"""The file before anything is made of it: one JSON object."""

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
    """``twice``: keys that stand twice in one object, where the last one counts."""

    written: dict[str, Any]
    readable_by_all: bool
    twice: tuple[str, ...]


def read_document(path: str | os.PathLike[str], findings: Diagnostics) -> Document | None:
    """The file's one object, or None after noting what is wrong. Raises FileNotFoundError."""
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
    twice: set[str] = set()
    written = _parse(content, twice, findings)
    if isinstance(written, dict):
        return Document(written, readable_by_all, tuple(sorted(twice)))
    if not findings.problems:
        findings.problem("", "the file must hold one JSON object: {...}")
    return None


def _parse(content: bytes, twice: set[str], findings: Diagnostics) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            twice.update(name for name, count in Counter(name for name, _ in found).items() if count > 1)
        return result

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        written = json.loads(content.decode("utf-8-sig"), object_pairs_hook=pairs, parse_constant=constant)
        json.dumps(written, ensure_ascii=False).encode("utf-8")  # half a surrogate pair cannot be stored
        return written
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.problem(f"line {line}", "the file is not UTF-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode("ascii")
        findings.problem("", f"the file holds {half}, which is half a character")
    except json.JSONDecodeError as error:
        findings.problem(f"line {error.lineno}, column {error.colno}", f"this is not JSON: {error.msg}")
    except ValueError as error:
        findings.problem("", f"this is not JSON: {error}")
    except RecursionError:
        findings.problem("", "the file is nested too deeply")
    return None
