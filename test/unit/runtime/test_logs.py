"""Where log lines go, what they look like, and what must never be in them."""

from __future__ import annotations

import logging
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.config.settings import Secret, Syslog
from s3_sync.errors import ConfigError
from s3_sync.runtime import logs
from s3_sync.runtime.syslog import RECONNECT_DELAY, SyslogHandler
from unit import real_logs

NAME = "s3-sync-test"
LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] (\S+) \[(\w+)\]: (.*)")


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    yield
    real_logs.reset()


def lines(path: Path) -> list[tuple[str, ...]]:
    found = [LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(found)
    return [match.groups() for match in found if match]


def test_log_file_gets_lines_of_its_level_from_all_loggers(tmp_path: Path) -> None:
    path = tmp_path / "sync.log"
    logs.configure(NAME, str(path), "info", console=False)
    logging.getLogger(NAME).debug("not this")
    logging.getLogger(NAME).info("naïve %s", "☃")
    logging.getLogger(f"{NAME}.part").warning("of a part")
    logging.getLogger("botocore.endpoint").error("theirs")
    logging.getLogger("boto3").info("theirs too")
    logging.getLogger(NAME).info("half a character: \ud800")
    assert lines(path) == [
        (NAME, "INFO", "naïve ☃"),
        (f"{NAME}.part", "WARNING", "of a part"),
        ("botocore.endpoint", "ERROR", "theirs"),
        ("boto3", "INFO", "theirs too"),
        (NAME, "INFO", "half a character: \\ud800"),
    ]


def test_log_file_is_private_after_rotation_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    before = os.umask(0)
    try:
        path = tmp_path / "sync.log"
        logs.configure(NAME, str(path), "info", console=False)
        for number in range(200):
            logging.getLogger(NAME).info("line %d %s", number, "x" * 50)
    finally:
        os.umask(before)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["sync.log", *(f"sync.log.{number}" for number in range(1, 6))]
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o640}
    assert all(file.stat().st_size <= 2000 for file in tmp_path.iterdir())


def test_rotation_is_at_100_mib_with_5_old_files(tmp_path: Path) -> None:
    logs.configure(NAME, str(tmp_path / "sync.log"), "info", console=False)
    [handler] = logging.getLogger(NAME).handlers
    assert isinstance(handler, logging.handlers.RotatingFileHandler)
    assert (handler.maxBytes, handler.backupCount) == (100 * 2**20, 5)


def test_console_gets_the_lines_and_no_file_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(NAME, str(tmp_path / "sync.log"), "info", console=True)
    logging.getLogger(NAME).info("hello")
    assert LINE.fullmatch(capsys.readouterr().err.rstrip("\n"))
    assert list(tmp_path.iterdir()) == []


def test_configure_without_writable_log_file_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="log_file: log file must be set"):
        logs.configure(NAME, None, "info", console=False)
    with pytest.raises(ConfigError, match="cannot write .*/no/where.log: No such file or directory"):
        logs.configure(NAME, str(tmp_path / "no/where.log"), "info", console=False)


def test_debug_level_leaves_out_debug_lines_of_verbose_loggers(tmp_path: Path) -> None:
    path = tmp_path / "sync.log"
    logs.configure(NAME, str(path), "debug", console=False)
    for name in (*logs.VERBOSE_LOGGERS, "botocore.endpoint", NAME):
        logging.getLogger(name).debug("debug")
        logging.getLogger(name).info("info")
    assert [name for name, level, _ in lines(path) if level == "DEBUG"] == ["botocore.endpoint", NAME]
    assert len(lines(path)) == 2 + 6
    logs.configure(NAME, str(path), "error", console=False)
    logging.getLogger("botocore.hooks").info("no longer")
    assert len(lines(path)) == 2 + 6


def test_configure_again_does_not_double_lines(tmp_path: Path) -> None:
    path = tmp_path / "sync.log"
    for _ in range(3):
        logs.configure(NAME, str(path), "info", console=False)
    logging.getLogger(NAME).info("once")
    assert len(lines(path)) == 1


SECRET = "wJalr/XUt+nFEMI K7\"é'"


def test_secrets_in_any_form_are_masked_in_log_lines(tmp_path: Path) -> None:
    path = tmp_path / "sync.log"
    token = "FwoGZXIvYXdzEXAMPLETOKEN"
    logs.configure(NAME, str(path), "debug", False, None, [Secret(SECRET), Secret(token), Secret("pw")])
    log = logging.getLogger(NAME)
    log.info("plain %s", SECRET)
    log.info("repr %r, as JSON %s", {"aws_secret": SECRET}, '{"a": "wJalr/XUt+nFEMI K7\\"\\u00e9\'"}')
    log.info("in a URL http://x/?s=wJalr/XUt%2BnFEMI%20K7%22%C3%A9%27&t=wJalr%2FXUt%2BnFEMI%20K7%22%C3%A9%27")
    logging.getLogger("botocore.endpoint").debug("headers {'X-Amz-Security-Token': b'%s'}", token)
    log.info("user pw, password=pw; not in pwd, nor in cpw")
    try:
        raise ValueError(f"refused: {SECRET}")
    except ValueError:
        log.exception("failed")
    log.info("proxy http://user:hunter22@proxy:3128/ and s3://bucket:x")
    log.debug("Authorization: AWS4-HMAC-SHA256 Credential=AKIA/2026, Signature=0123abcd")
    text = path.read_text()
    for part in ("XUt", "FEMI", token, "hunter22", "0123abcd"):
        assert part not in text
    assert "plain ********\n" in text
    assert "user ********, password=********; not in pwd, nor in cpw" in text
    assert "ValueError: refused: ********" in text
    assert "http://user:********@proxy:3128/ and s3://bucket:x" in text
    assert "Signature=********" in text


def test_temporary_keys_and_tokens_that_the_sdk_logs_are_masked(tmp_path: Path) -> None:
    """They are not known beforehand."""
    path = tmp_path / "sync.log"
    logs.configure(NAME, str(path), "debug", console=False)
    log = logging.getLogger(NAME)
    log.debug("with params: {'WebIdentityToken': 'head.body.mark', 'RoleArn': 'arn:aws:iam::1:role/r'}")
    log.debug(
        "%s", b"<Credentials><SecretAccessKey>kEy/+=</SecretAccessKey><SessionToken>sEss</SessionToken>"
    )
    log.debug('{"SecretAccessKey" : "kEy/+=", "SessionToken":"sEss", "Expiration": "soon"}')
    log.debug("headers={'X-Amz-Security-Token': b'sEss', 'X-Amz-Date': b'today'}")
    log.debug("<Message>Token eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.mark is expired</Message>")
    log.debug("CanonicalRequest:\nhost:h\nx-amz-security-token:sEss\n\nhost;x-amz-security-token\n0123")
    text = path.read_text()
    assert not [secret for secret in ("mark", "kEy", "sEss") if secret in text]
    assert text.count(logs.MASK) >= 8
    assert "arn:aws:iam::1:role/r" in text
    assert "today" in text


def test_syslog_by_udp_sends_masked_lines_with_their_priority(tmp_path: Path) -> None:
    path = tmp_path / "sync.log"
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(5)
    target = Syslog("localhost", server.getsockname()[1], "udp")
    logs.configure(NAME, str(path), "debug", console=False, syslog=target, secrets=[Secret("s3cr3t-key")])
    log = logging.getLogger(NAME)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL, 25):
        log.log(level, "two\nlines with s3cr3t-key")
    received = [server.recv(65536).decode() for _ in range(3 + 6)]
    for message, name in zip(received, (NAME, *logs.LIBRARIES), strict=False):
        assert message.startswith("<15>[")
        assert message.endswith(f"{name} [DEBUG]: Using syslog")
    assert [message[:4] for message in received[3:]] == ["<15>", "<14>", "<12>", "<11>", "<10>", "<14>"]
    assert all(message.endswith("two\\nlines with ********") for message in received[3:])
    log.info("x" * 100_000)
    assert len(server.recv(65536)) == 8192
    assert "Using syslog" in path.read_text()
    server.close()


def record(text: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "levelno": logging.INFO})


def listener() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(5)
    return server


def test_syslog_by_tcp_reconnects_after_the_server_closed() -> None:
    server = listener()
    handler = SyslogHandler(Syslog("127.0.0.1", server.getsockname()[1], "tcp"))
    handler.emit(record("one\ntwo"))
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as stream:
        assert stream.readline() == b"<14>one#012two\n"
    # the server closed; the first line or two may be lost in the old connection, then it is made anew
    for _ in range(5):
        handler.emit(record("again"))
        time.sleep(0.05)
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as stream:
        assert stream.readline() == b"<14>again\n"
    handler.close()
    server.close()


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_unreachable_syslog_is_tried_once_per_reconnect_delay(
    proto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    attempts = []
    real = socket.getaddrinfo

    def getaddrinfo(host: object, *rest: object, **named: object) -> object:
        attempts.append(host)
        return real(host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    handler = SyslogHandler(Syslog("no-such-host.invalid", 514, proto), clock=lambda: now)  # type: ignore[arg-type]
    for _ in range(100):
        handler.emit(record("lost"))
    assert len(attempts) == 1
    now += RECONNECT_DELAY
    handler.emit(record("lost"))
    assert len(attempts) == 2
    handler.close()


def test_syslog_server_that_stops_reading_does_not_block_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3_sync.runtime.syslog.CONNECT_TIMEOUT", 0.2)
    server = listener()
    handler = SyslogHandler(Syslog("127.0.0.1", server.getsockname()[1], "tcp"))
    finished = threading.Event()

    def flood() -> None:
        for _ in range(5000):
            handler.emit(record("x" * 8000))
        finished.set()

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    connection, _ = server.accept()
    assert finished.wait(20)
    connection.close()
    handler.close()
    server.close()


def test_syslog_line_that_cannot_be_formatted_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    handler = SyslogHandler(Syslog("127.0.0.1", 9, "udp"))
    handler.emit(logging.makeLogRecord({"msg": "%d", "args": ("x",), "levelno": logging.INFO}))
    assert capsys.readouterr().err.count("--- Logging error ---") == 1
    handler.close()


def test_log_file_renamed_by_logrotate_is_left_for_a_new_one(tmp_path: Path) -> None:
    """logrotate sends no signal: no line is lost, and none goes into the file that it compresses."""
    path = tmp_path / "sync.log"
    logs.configure(NAME, str(path), "info", console=False)
    logging.getLogger(NAME).info("one")
    path.rename(tmp_path / "sync.log-20261122")
    logging.getLogger(NAME).info("two")
    assert (tmp_path / "sync.log-20261122").read_text().splitlines()[0].endswith("one")
    assert [line.partition(": ")[2] for line in path.read_text().splitlines()] == ["two"]
