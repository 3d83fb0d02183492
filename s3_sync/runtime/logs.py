"""Log handlers, and masking of secrets in log lines."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from typing import Protocol
from urllib.parse import quote

from s3_sync.errors import ConfigError, Problem
from s3_sync.runtime.syslog import SyslogHandler, SyslogTarget

FORMAT = "[%(asctime)s] %(name)s [%(levelname)s]: %(message)s"
MASK = "********"
MAX_BYTES = 100 * 1024 * 1024
BACKUPS = 5
#: the loggers of the daemons: their own messages, and those of what they share
DAEMON_LOGGERS = ("s3-sync", "swift-s3-migrator")
#: libraries whose messages go to the same handlers
LIBRARIES = ("boto3", "botocore")
#: loggers that are too verbose at DEBUG
VERBOSE_LOGGERS = ("botocore.hooks", "botocore.session", "botocore.loaders", "botocore.client")
#: shorter secrets are masked as whole words only: "test" inside "latest" reveals nothing
_MIN_SUBSTRING_SECRET = 8
#: line breaks and terminal control characters
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: passwords in URLs, signatures, and the temporary keys and tokens (JWTs among them) in what the SDK sends
#: and gets, which are not known beforehand
_CREDENTIALS = re.compile(
    r"(://[^/\s:@]*:)[^/\s@]+(?=@)"
    r"|(\bsignature=|(?:secret_?access_?key|session_?token|security-token|web_?identity_?token"
    r"|(?:access|bearer)_?token)[^\w<]{1,6}(?:b['\"])?)[\w%+/=.~-]+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*",
    re.IGNORECASE,
)


class Hidden(Protocol):
    """A secret, such as ``config.secret.Secret``."""

    def reveal(self) -> str: ...


class MaskingFormatter(logging.Formatter):
    """Formats a line, then masks all known secrets, passwords in URLs, request signatures and temporary keys
    in it.

    Libraries log whole requests at DEBUG, and exceptions quote their arguments; so the formatted text is
    searched, tracebacks included. Object names may contain anything: control characters are escaped, so that
    a message is always one line.
    """

    def __init__(self, secrets: Iterable[Hidden] = ()) -> None:
        super().__init__(FORMAT)
        self._texts: set[str] = set()
        self._secrets: re.Pattern[str] | None = None
        self.mask(secrets)

    def mask(self, secrets: Iterable[Hidden]) -> None:
        """Add secrets to mask; earlier ones remain."""
        texts = self._texts
        texts.update(form for secret in secrets for form in _written_forms(secret.reveal()) if form)
        patterns = [
            re.escape(text) if len(text) >= _MIN_SUBSTRING_SECRET else rf"(?<!\w){re.escape(text)}(?!\w)"
            for text in sorted(texts, key=len, reverse=True)
        ]
        self._secrets = re.compile("|".join(patterns)) if patterns else None

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _CONTROL.sub(_escaped, super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return self.masked(super().format(record))

    def masked(self, line: str) -> str:
        if self._secrets:
            line = self._secrets.sub(MASK, line)
        return _CREDENTIALS.sub(lambda found: f"{found[1] or found[2] or ''}{MASK}", line)


class EscapingFilter(logging.Filter):
    """Escapes control characters in the messages of a logger that another program formats."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _CONTROL.sub(_escaped, record.getMessage()), None
        return True


class PrivateFileHandler(RotatingFileHandler):
    """A rotating log file, created with access for owner and group only. Several processes may write to it.

    The first process that finds it full rotates it; the others detect the rename and reopen the file, as they
    do after an external logrotate.
    """

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        if self.stream and not self._is_current():
            self.stream.close()
            self.stream = self._open()
        return bool(super().shouldRollover(record))

    def doRollover(self) -> None:
        if not self.stream:
            return
        with open(os.dup(self.stream.fileno()), "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._is_current():
                super().doRollover()
            else:  # another process has rotated it
                self.stream.close()
                self.stream = self._open()

    def _is_current(self) -> bool:
        """Whether the open file is still the one at the path."""
        if not self.stream:
            return False
        try:
            return os.path.samestat(os.fstat(self.stream.fileno()), os.stat(self.baseFilename))
        except OSError:
            return False

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.close(os.open(self.baseFilename, flags, 0o640))  # an existing file keeps its mode
        return super()._open()


def configure(
    name: str,
    log_file: str | None,
    level: str,
    console: bool,
    syslog: SyslogTarget | None = None,
    secrets: Iterable[Hidden] = (),
) -> None:
    """Send the messages of ``name`` and LIBRARIES at ``level`` or above to stderr or ``log_file``, and to
    syslog.

    Another call replaces the previous configuration. Raises ConfigError when there is no destination.
    """
    formatter = MaskingFormatter(secrets)
    handlers = [_main_handler(log_file, console)]
    if syslog is not None:
        handlers.append(SyslogHandler(syslog))
    for handler in handlers:
        handler.setFormatter(formatter)
    names = DAEMON_LOGGERS if name in DAEMON_LOGGERS else (name,)
    for logger in map(logging.getLogger, (*names, *LIBRARIES)):
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        for handler in handlers:
            logger.addHandler(handler)
        logger.setLevel(level.upper())
        logger.propagate = False
        if syslog is not None:
            logger.debug("Using syslog")
    for verbose in VERBOSE_LOGGERS:
        logging.getLogger(verbose).setLevel(logging.INFO if level == "debug" else logging.NOTSET)


def mask_also(name: str, secrets: Iterable[Hidden]) -> None:
    """Mask secrets that became known after ``configure``."""
    added = list(secrets)
    for handler in logging.getLogger(name).handlers:
        if isinstance(handler.formatter, MaskingFormatter):
            handler.formatter.mask(added)


def _main_handler(log_file: str | None, console: bool) -> logging.Handler:
    if console:
        return logging.StreamHandler()
    if not log_file:
        raise ConfigError([Problem("log_file", "log file must be set unless --console is given")])
    try:
        return PrivateFileHandler(
            log_file, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise ConfigError([Problem("log_file", f"cannot write {log_file}: {error.strerror}")]) from error


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _written_forms(text: str) -> Iterator[str]:
    """The forms in which a secret may appear in a log line: plain, in a URL, in JSON, in a Python literal."""
    yield text
    yield quote(text)
    yield quote(text, safe="")
    yield json.dumps(text)[1:-1]
    yield repr(text)[1:-1]
