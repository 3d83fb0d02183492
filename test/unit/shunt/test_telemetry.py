"""What of users' names gets into a proxy's log."""

from __future__ import annotations

import io
import logging
from typing import Any

from swift.common.utils import SwiftLogFormatter

from s3_sync.shunt.telemetry import shunt_logger


def test_names_can_neither_begin_a_line_nor_control_a_terminal() -> None:
    log: Any = shunt_logger({})
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(SwiftLogFormatter("%(server)s: %(message)s"))
    log.logger.addHandler(handler)
    try:
        log.error("%s %s: %d%%", "GET", "AUTH_a/c/\x1b[31m\r\nfaked 100% %s \x9b \u00fc", 5)
    finally:
        log.logger.removeHandler(handler)
    line = "GET AUTH_a/c/\\x1b[31m\\r\\nfaked 100% %s \\x9b \u00fc: 5%"
    assert written.getvalue().rpartition("shunt: ")[2] == f"{line}\n"
