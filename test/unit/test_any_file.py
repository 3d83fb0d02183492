"""Any content of a file that a program reads: it is parsed, or a known error, and work goes on."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from s3_sync.cluster.client import has_encryption, internal_client
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.load import load, load_shunt_settings
from s3_sync.config.secret import find_secret
from s3_sync.config.settings import Mapping, Profile
from s3_sync.daemon import recon_file as recon
from s3_sync.errors import ConfigError, LocalError, StateError
from s3_sync.model.keys import KeyNamer
from s3_sync.state.checkpoint import Checkpoint, StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import RETRY, Journal, Settlement
from s3_sync.state.verification_state import Seen, VerificationState
from s3_sync.streams.small_files import MAX_FILE_BYTES
from unit.cluster.test_client import CONF
from unit.config.written import MAPPING as WRITTEN
from unit.state.entries import M, failed, failure, minutes
from unit.state.test_tail import Database

ACCOUNT, CONTAINER = "AUTH_a", "c"
MAPPING = Mapping(
    ACCOUNT, CONTAINER, "bucket", S3Credentials(), Profile(), KeyNamer.hashed(ACCOUNT, CONTAINER)
)
#: what may stand where something else is expected
ODD: list[Any] = [
    None, True, -1, 0.5, 10**400, 2**63, float("nan"), float("inf"), "", "x", "\ud800", [], [[]], {},
    {"a": 1}, [None], ["x", 1], "9" * 400,
]  # fmt: skip
#: where in a file, as a share of it, and what then stands there
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20)
NOW = 1_700_000_000.0
DEEP = (b"[" * 200_000, b'{"a":' * 200_000, b"[" * 900 + b"]" * 900)


def usual(directory: Path, name: str) -> bytes:
    """What stands there if nothing has gone wrong."""
    if name == "status":
        database = Database()
        for each in "abc":
            database.write(each)
        checkpoint = Checkpoint(3, 2, 1, 0, 1700000000.0, None, "0/3", tail=database.tail(3))
        StatusFiles(str(directory), "journal", [MAPPING]).save(MAPPING, "db", checkpoint)
        return (directory / ACCOUNT / CONTAINER).read_bytes()
    if name in ("pause", "reset"):
        controls = Controls(str(directory), lambda: NOW, poll_interval=0.0)
        controls.pause(MAPPING) if name == "pause" else controls.reset(MAPPING, "p", 5.0)
        return place(directory, name).read_bytes()
    if name == "recon":
        content = {"updated": 1.0, "mappings": [{"account": ACCOUNT, "container": CONTAINER, "troubled": 0}]}
        recon.write(str(directory), "swift-s3-sync", 0, content)
        return (directory / "swift-s3-sync-0.recon").read_bytes()
    if name == "config":
        return json.dumps({"devices": "/srv", "containers": [WRITTEN]}).encode()
    return {"secret": b"secret\n", "pipeline": CONF.format(filters="symlink").encode()}[name]


def place(directory: Path, name: str) -> Path:
    digest = sha256(MAPPING.control_key.encode()).hexdigest()[:16]
    return {
        "status": directory / ACCOUNT / CONTAINER,
        "pause": directory / f".controls/pause-{digest}",
        "reset": directory / f".controls/reset-{NOW:017.6f}-{digest}",
        "recon": directory / "swift-s3-sync-0.recon",
        "config": directory / "sync.json",
        "secret": directory / "secret",
        "pipeline": directory / "internal-client.conf",
    }[name]


def read(directory: Path, name: str) -> None:
    """Every program's way to read it; raises nothing, or fails the test."""
    path = place(directory, name)
    if name == "status":
        read_status(directory)
    elif name in ("pause", "reset"):
        controls = Controls(str(directory), lambda: NOW + 60, poll_interval=0.0)
        assert controls.is_paused(MAPPING) is (name == "pause")
        assert (controls.paused_since(MAPPING) is not None) is (name == "pause")
        assert all(0 <= reset.made < 1e11 for reset in controls.resets(MAPPING))
        with contextlib.suppress(StateError) if path.is_dir() else contextlib.nullcontext():
            reset = controls.reset(MAPPING)
            assert controls.resets(MAPPING)[-1] == reset
    elif name == "recon":
        assert all(isinstance(each, dict) for each in recon.read(str(directory), "swift-s3-sync").values())
    elif name == "config":
        with contextlib.suppress(ConfigError):
            load(path)
        with contextlib.suppress(ConfigError):
            load_shunt_settings(path)
    elif name == "secret":
        with contextlib.suppress(ConfigError):
            text, _ = find_secret({"file": str(path)}, "secret")
            text.encode("utf-8")
    else:
        for function in (has_encryption, lambda path: internal_client(path, "test")):
            with contextlib.suppress(LocalError):
                function(str(path))


def read_status(directory: Path) -> None:
    """What cannot be read is as good as nothing, and what is written then can be read."""
    observer = StatusFiles(str(directory), "journal", [MAPPING], observed=True)
    files = StatusFiles(str(directory), "journal", [MAPPING])
    assert files.containers(ACCOUNT) is not None
    for each in (observer, files):
        try:
            found = each.load(MAPPING, "db")
        except StateError:
            continue
        if found is not None:
            assert min(found.last_row, found.last_verified_row, found.fresh_until, found.sweep_until) >= 0
            assert -(10**400) < found.begun < float("inf")
            found.is_of(Imagined())
    try:
        files.save(MAPPING, "db", Checkpoint(7, 7))
    except StateError:
        return
    assert files.load(MAPPING, "db") == Checkpoint(7, 7)


class Imagined:
    def max_rowid(self) -> int:
        return 2**63

    def last_rows(self, rowid: int, limit: int) -> list[Any]:
        return Database().up_to(rowid)


FILES = ("status", "pause", "reset", "recon", "config", "secret", "pipeline")


def changed(value: Any) -> Iterator[Any]:
    """The document with something else at each of its places."""
    if isinstance(value, dict):
        yield from ({**value, key: odd} for key in value for odd in ODD)
        yield from ({**value, key: inner} for key in value for inner in changed(value[key]))
        yield from ({k: v for k, v in value.items() if k != key} for key in value)
    elif isinstance(value, list):
        yield from ([*value[:n], odd, *value[n + 1 :]] for n in range(len(value)) for odd in ODD)
        yield from (
            [*value[:n], new, *value[n + 1 :]] for n in range(len(value)) for new in changed(value[n])
        )


def hostile(good: bytes) -> Iterator[bytes]:
    yield from (b"", b"\0" * 100, b"\xff\xfe", b"\xef\xbb\xbf" + good, good + good, good[: len(good) // 2])
    yield from (
        good.decode().encode("utf-16"),
        good.replace(b'"', b"'"),
        good.replace(b"{", b'{"a":1,"a":2,'),
    )
    yield from DEEP
    yield from (b'{"db":' + deep + b"}" for deep in DEEP)
    yield from (json.dumps(odd).encode() for odd in ODD)
    with contextlib.suppress(ValueError):
        yield from (json.dumps(new).encode() for new in changed(json.loads(good)))


@pytest.mark.parametrize("name", FILES)
def test_file_with_hostile_content_raises_only_known_errors(tmp_path: Path, name: str) -> None:
    good = usual(tmp_path, name)
    for content in hostile(good):
        put(tmp_path, name, content)
        read(tmp_path, name)


def put(directory: Path, name: str, content: bytes) -> None:
    """Only this, whatever has been written meanwhile."""
    path = place(directory, name)
    for each in [*path.parent.glob("*.corrupted.*"), *path.parent.glob("reset-*")]:
        each.unlink()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
@given(changes=CHANGES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_file_with_changed_bytes_raises_only_known_errors(
    tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[tuple[float, int]]
) -> None:
    directory = tmp_path_factory.mktemp("changed")
    put(directory, name, mutated(usual(directory, name), changes))
    read(directory, name)


def mutated(good: bytes, changes: list[tuple[float, int]]) -> bytes:
    content = bytearray(good)
    for share, value in changes:
        content[int(share * len(content))] = value
    return bytes(content)


def a_directory(path: Path) -> None:
    path.mkdir()
    (path / "in it").touch()


def endless(path: Path) -> None:
    """A file without an end, as far as a reader cares; it takes no place on the disk."""
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)


OTHERS: list[Callable[[Path], object]] = [
    a_directory,
    os.mkfifo,
    lambda path: path.symlink_to(path),  # cannot be opened
    lambda path: path.symlink_to(path.parent / "nothing"),
    lambda path: path.symlink_to("/dev/zero"),
    endless,
]


@pytest.mark.parametrize("other", OTHERS, ids=["directory", "pipe", "loop", "nowhere", "device", "endless"])
@pytest.mark.parametrize("name", FILES)
def test_file_replaced_by_another_kind_raises_only_known_errors(
    tmp_path: Path, name: str, other: Callable[[Path], object]
) -> None:
    usual(tmp_path, name)
    path = place(tmp_path, name)
    path.unlink(missing_ok=True)
    other(path)
    read(tmp_path, name)


def test_damaged_status_file_is_set_aside_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    usual(tmp_path, "status")
    path = place(tmp_path, "status")
    path.write_bytes(DEEP[0])
    files = StatusFiles(str(tmp_path), "journal", [MAPPING])
    assert files.load(MAPPING, "db") is None
    assert f"status file {path} is damaged (it is nested too deeply); set aside" in caplog.text
    assert Path(f"{path}.corrupted.1").read_bytes() == DEEP[0]


def test_status_file_with_a_name_no_container_has_is_passed_over(tmp_path: Path) -> None:
    """A mapping of an account looks for the container of each status file."""
    usual(tmp_path, "status")
    os.close(os.open(os.fsencode(tmp_path / ACCOUNT) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    assert StatusFiles(str(tmp_path), "journal", [MAPPING]).containers(ACCOUNT) == [CONTAINER]


# The journal, and what is in it


def use(path: str) -> None:
    with contextlib.suppress(StateError):
        journal = Journal(path, minutes)
        try:
            for ask in (
                lambda: journal.due_objects(M, 1e12, 100), lambda: journal.counts(M),
                lambda: journal.unsettled(M), lambda: journal.due_ranges(M, "db", 1e12),
                lambda: journal.window(M, "db"),
                lambda: journal.settle(M, failed(failure("new")), 1.0),
            ):  # fmt: skip
                with contextlib.suppress(StateError):
                    ask()
        finally:
            journal.close()


@given(CHANGES)
@example([(0.038640758502207495, 128)])  # the schema is not UTF-8 any more, and SQLite's message quotes it
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_journal_with_changed_bytes_raises_only_state_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    journal = Journal(str(path), minutes)
    journal.settle(M, Settlement(failures=[failure(f"name{number}") for number in range(20)]), 0.0)
    journal.close()
    path.write_bytes(mutated(path.read_bytes(), changes))
    use(str(path))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("timestamp", "never"), ("timestamp", "12a.5f"), ("size", "large"), ("name", b"blob"),
        ("next_try", "soon"), ("detail", "CAST(x'ff' AS TEXT)"),
    ],
)  # fmt: skip
def test_journal_with_a_value_of_the_wrong_kind_is_set_aside(tmp_path: Path, column: str, value: Any) -> None:
    path = tmp_path / "journal"
    journal = Journal(str(path), minutes)
    journal.settle(M, failed(failure("a")), 0.0)
    journal.close()
    db = sqlite3.connect(path)
    if str(value).startswith("CAST"):
        db.execute(f"UPDATE unsettled SET {column} = {value}")
    else:
        db.execute(f"UPDATE unsettled SET {column} = ?", (value,))
    db.commit()
    db.close()
    use(str(path))
    assert (tmp_path / "journal.corrupted.1").exists()
    assert [entry.state for entry in Journal(str(path), minutes).unsettled(M)] == [RETRY]


@pytest.mark.parametrize("other", OTHERS, ids=["directory", "pipe", "loop", "nowhere", "device", "endless"])
def test_database_replaced_by_another_kind_raises_only_state_error(
    tmp_path: Path, other: Callable[[Path], object]
) -> None:
    path = tmp_path / "database"
    other(path)
    with contextlib.suppress(StateError):
        VerificationState(str(path), "of c", resume=True).close()
    use(str(path))


def ask_all(path: Path) -> None:
    """What ``verify-data --resume`` reads."""
    with contextlib.suppress(StateError):
        state = VerificationState(str(path), "of c", resume=True)
        try:
            for ask in (
                lambda: state.reached("c"),
                state.counts,
                state.looked_at,
                lambda: list(state.manifests("c")),
            ):
                with contextlib.suppress(StateError):
                    ask()
        finally:
            state.close()


def filled_state(path: Path) -> None:
    state = VerificationState(str(path), "of c", resume=False)
    state.add_manifests("c", ["a", "b"])
    state.reach("c", "n", Seen(3, [], Counter({("missing", False): 1})))
    state.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE manifests SET key = x'ff' WHERE key = 'b'",
        "UPDATE manifests SET key = CAST(x'ff' AS TEXT) WHERE key = 'b'",
        "UPDATE reached SET name = x'61'", "UPDATE reached SET looked_at = 'many'",
        "UPDATE found SET what = 7",
        "UPDATE found SET number = 'one'", "UPDATE found SET number = x'ff'", "UPDATE about SET what = x'ff'",
    ],
)  # fmt: skip
def test_verification_state_with_a_value_of_the_wrong_kind_raises_only_state_error(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / "state"
    filled_state(path)
    db = sqlite3.connect(path)
    db.execute(change)
    db.commit()
    db.close()
    ask_all(path)


def test_verification_state_whose_schema_is_not_utf8_raises_only_state_error(tmp_path: Path) -> None:
    """SQLite's message quotes it."""
    path = tmp_path / "state"
    filled_state(path)
    damaged = path.read_bytes().replace(b"CREATE", b"CRE\x80TE")
    path.write_bytes(damaged)
    with pytest.raises(StateError, match="is not a state file"):
        VerificationState(str(path), "of c", resume=True)
    assert path.read_bytes() == damaged


@given(CHANGES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_verification_state_with_changed_bytes_raises_only_state_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]
) -> None:
    path = tmp_path_factory.mktemp("verification") / "state"
    filled_state(path)
    path.write_bytes(mutated(path.read_bytes(), changes))
    ask_all(path)
