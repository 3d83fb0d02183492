"""Prints the report, without secrets and without control characters."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from s3_sync.config.secret import Secret
from s3_sync.runtime.logs import MaskingFormatter
from s3_sync.runtime.output import Output, printable


class Printer:
    """``as_json``: print documents, and no lines but those about errors."""

    def __init__(self, as_json: bool, password: str | None) -> None:
        self.output = Output(as_json)
        self._formatter = MaskingFormatter()
        if password:
            self.mask([Secret(password)])

    def mask(self, secrets: Iterable[Secret]) -> None:
        self._formatter.mask(secrets)

    def lines(self, lines: Iterable[str]) -> None:
        if not self.output.as_json:
            for line in lines:
                print(self._shown(line))

    def document(self, value: Any) -> None:
        if self.output.as_json:
            print(self._formatter.masked(json.dumps(value, ensure_ascii=False, default=str)))

    def errors(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(self._shown(line), file=sys.stderr)

    def _shown(self, line: str) -> str:
        return printable(self._formatter.masked(line))
