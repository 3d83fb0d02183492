"""The options of the filter's section in proxy-server.conf; docs/shunt.md explains each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from swift.common.utils import config_true_value

from s3_sync.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds."""

    conf_file: str = "/etc/swift-s3-sync/sync.json"
    handle_proxyfs: bool = False
    #: seconds between checks of the file for changes
    reload_interval: float = 15.0
    #: concurrent requests to one remote account, open reads included, per proxy worker
    remote_connections: int = 256
    #: maximum wait for one of these connections
    remote_wait: float = 5.0
    remote_connect_timeout: float = 3.0
    #: between two reads of a response
    remote_timeout: float = 10.0
    #: consecutive unanswered requests that open the circuit breaker
    remote_failures: int = 5
    #: concurrent restores, per proxy worker
    restores: int = 8
    #: whether whole objects are hashed on their way to the client
    verify_reads: bool = True
    swift_dir: str = "/etc/swift"

    @classmethod
    def read(cls, conf: Mapping[str, str]) -> Options:
        """Read the section; other keys belong to Swift's logger, or are ignored. Raises ConfigError."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for field in fields(cls):
            text = conf.get(field.name)
            if text is None:
                continue
            try:
                values[field.name] = _value(str(field.type), text)
            except ValueError as error:
                problems.append(Problem(field.name, f"{error}, not {text!r}"))
        if problems:
            raise ConfigError(problems)
        return cls(**values)


def _value(kind: str, text: str) -> bool | str | int | float:
    if kind == "bool":
        return bool(config_true_value(text))
    if kind == "str":
        return text
    try:
        number = int(text) if kind == "int" else float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e6:
        raise ValueError("must be a number above 0")
    return number
