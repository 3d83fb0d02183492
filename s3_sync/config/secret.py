"""Secrets: a text that is never shown, and the references by which the file names it."""

from __future__ import annotations

import os
import stat
from typing import Any

from s3_sync.errors import ConfigError, Problem

#: JSON Schema of a secret in the file
SECRET_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        *(
            {
                "type": "object",
                "properties": {key: {"type": "string", "minLength": 1, "description": meaning}},
                "required": [key],
                "additionalProperties": False,
            }
            for key, meaning in (
                ("env", "the name of an environment variable"),
                ("file", "the absolute path of a file"),
            )
        ),
    ]
}
#: limit in bytes, so that a wrong path cannot exhaust memory
_MAX_BYTES = 65536


class Secret:
    """A password or key. Printing, formatting or logging it shows ``********``; ``reveal`` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def find_secret(reference: dict[str, Any], place: str) -> tuple[str, bool]:
    """Resolve ``{"env": NAME}`` or ``{"file": PATH}``; also returns whether every user may read it.

    A line break at the end of a file is removed. Raises ConfigError with ``place``.
    """
    try:
        match list(reference.items()):
            case [("env", str(name))] if name:
                return _from_environment(name), False
            case [("file", str(path))] if path:
                return _from_file(path)
    except ValueError as error:
        raise ConfigError([Problem(place, str(error))]) from None
    raise ConfigError([Problem(place, 'must be text, {"env": NAME} or {"file": PATH}')])


def _from_environment(name: str) -> str:
    text = os.environ.get(name)
    if not text:
        raise ValueError(f"the environment variable {name} is {'not set' if text is None else 'empty'}")
    return text


def _from_file(path: str) -> tuple[str, bool]:
    if not os.path.isabs(path) or "\0" in path:
        raise ValueError(f"{path} is not an absolute path")
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is not a regular file")
        content = os.read(descriptor, _MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"{path} is too long for a secret")
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text, bool(found.st_mode & stat.S_IROTH)
