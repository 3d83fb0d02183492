from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from swift.common.exceptions import Timeout

from s3_sync.cluster.client import LocalSwift, SwiftResponse, has_encryption, internal_client
from s3_sync.errors import LocalError, LocalUnavailable

CONF = """
[DEFAULT]
log_level = 1%
[pipeline:main]
pipeline = catch_errors {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:encryption]
use = egg:swift#encryption
[filter:by-another-name]
use = egg:swift#encryption
[filter:by-factory]
paste.filter_factory = swift.common.middleware.crypto:filter_factory
[filter:symlink]
use = egg:swift#symlink
[filter:gate]
use = egg:swift#gatekeeper
"""


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("", False),
        ("symlink", False),
        ("undefined", False),
        ("keymaster encryption", True),
        ("by-another-name", True),
        ("symlink by-factory", True),
    ],
)
def test_has_encryption_is_true_only_with_an_encryption_filter(
    tmp_path: Path, filters: str, expected: bool
) -> None:
    path = tmp_path / "internal-client.conf"
    path.write_text(CONF.format(filters=filters))
    assert has_encryption(str(path)) is expected


def test_has_encryption_reads_a_directory_of_configuration_files(tmp_path: Path) -> None:
    (tmp_path / "20.conf").write_text(CONF.format(filters="encryption"))
    assert has_encryption(str(tmp_path))


def test_has_encryption_without_a_pipeline_is_false(tmp_path: Path) -> None:
    path = tmp_path / "internal-client.conf"
    path.write_text("[app:main]\nuse = egg:swift#proxy\n")
    assert not has_encryption(str(path))


def test_internal_client_with_undefined_filter_raises_local_error(tmp_path: Path) -> None:
    path = tmp_path / "internal-client.conf"
    path.write_text(CONF.format(filters="undefined"))
    with pytest.raises(LocalError, match="cannot load the internal client from"):
        internal_client(str(path), "test")


@pytest.mark.parametrize("content", ["no section\n", "[pipeline:main]\npipeline = a\npipeline = b\n", None])
def test_malformed_configuration_file_raises_local_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "internal-client.conf"
    path.mkdir() if content is None else path.write_text(content)
    told = r"^cannot load the internal client from .*internal-client.conf: .+$"
    with pytest.raises(LocalError, match=told):
        internal_client(str(path), "test")
    with pytest.raises(LocalError, match=told):
        has_encryption(str(path))


def test_internal_client_with_gatekeeper_raises_local_error(tmp_path: Path) -> None:
    """It removes the timestamps of requests: the daemon's deletes would delete newer objects."""
    path = tmp_path / "internal-client.conf"
    path.write_text(CONF.format(filters="gate"))
    with pytest.raises(LocalError, match="must not have a gatekeeper"):
        internal_client(str(path), "test")


class Nested:
    """An answer's body as Swift nests it: a generator of a filter, and catch_errors, which has no ``close``,
    around it. ``fails``: what its second piece raises."""

    def __init__(self, fails: BaseException | None = None) -> None:
        self.is_open = True
        self._fails = fails
        self._inner = self._filter()

    def _filter(self) -> Iterator[bytes]:
        try:
            yield b"first"
            if self._fails is not None:
                raise self._fails
            yield b"second"
        finally:
            self.is_open = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._inner
        finally:
            self._inner.close()  # type: ignore[attr-defined]

    def answer(self) -> SwiftResponse:
        return SwiftResponse(SimpleNamespace(status_int=200, headers={}, app_iter=self))


@pytest.mark.parametrize("pieces", [0, 1, 2, 3])
def test_close_after_any_number_of_pieces_releases_the_connection(pieces: int) -> None:
    body = Nested()
    answer = body.answer()
    read = [next(answer.body, b"") for _ in range(pieces)]
    assert read == [b"first", b"second", b""][:pieces]
    answer.close()
    answer.close()
    assert not body.is_open


@pytest.mark.parametrize("error", [OSError("gone"), Timeout(), ValueError("Expected another 5 bytes")])
def test_body_that_breaks_raises_local_unavailable_and_is_closed(error: BaseException) -> None:
    body = Nested(error)
    answer = body.answer()
    with pytest.raises(LocalUnavailable, match="internal client"):
        list(answer.body)
    assert not body.is_open
    answer.close()


def test_close_of_a_body_whose_first_piece_breaks_raises_nothing() -> None:
    closed: list[bool] = []

    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            raise ValueError("wrong key")

        def close(self) -> None:
            closed.append(True)

    SwiftResponse(SimpleNamespace(status_int=200, headers={}, app_iter=Broken())).close()
    assert closed == [True]


ENTRY = {"bytes": 0, "hash": "", "last_modified": ""}


class Pages:
    """An InternalClient that gives prepared answers: a status, or the names of one page."""

    def __init__(self, *answers: int | list[str]) -> None:
        self._answers = list(answers)

    def make_request(
        self, method: str, path: str, headers: dict[str, str], statuses: object, body: object = None
    ) -> Any:
        answer = self._answers.pop(0)
        status = answer if isinstance(answer, int) else 200
        entries = [] if isinstance(answer, int) else [{**ENTRY, "name": name} for name in answer]
        text = b"" if isinstance(answer, int) else json.dumps(entries).encode()
        return SimpleNamespace(status_int=status, headers={}, app_iter=iter([text]))


def listed(*answers: int | list[str], reserved: bool) -> list[str]:
    return [entry["name"] for entry in LocalSwift(Pages(*answers)).objects("a", "c", "", reserved)]


def test_objects_yields_all_pages_and_reserved_names_only_if_wanted() -> None:
    assert listed(["\0r", "a"], ["b"], [], reserved=False) == ["a", "b"]
    assert listed(["\0r", "a"], ["b"], [], reserved=True) == ["\0r", "a", "b"]
    assert listed(404, reserved=False) == []


@pytest.mark.parametrize("answers", [[404, 200], [["a"], 404, 503], [["a"], 503]])
def test_objects_with_reserved_names_cut_short_raises_unavailable(answers: list[int | list[str]]) -> None:
    """An object that a complete listing does not name may be deleted."""
    with pytest.raises(LocalUnavailable):
        listed(*answers, reserved=True)


@pytest.mark.parametrize(("answers", "names"), [([404, 404], []), ([["a"], 404, 404], ["a"])])
def test_objects_of_a_container_deleted_meanwhile_ends_without_error(
    answers: list[int | list[str]], names: list[str]
) -> None:
    assert listed(*answers, reserved=True) == names


def test_containers_of_missing_account_raises_only_with_reserved_names() -> None:
    with pytest.raises(LocalUnavailable):
        list(LocalSwift(Pages(404)).containers("a", reserved=True))
    assert list(LocalSwift(Pages(404)).containers("a")) == []
