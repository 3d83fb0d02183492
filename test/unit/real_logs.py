"""Loggers as they were before a test configured real ones."""

from __future__ import annotations

import logging

from s3_sync.runtime import logs


def reset() -> None:
    for name in (*logs.DAEMON_LOGGERS, *logs.LIBRARIES, *logs.VERBOSE_LOGGERS):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
