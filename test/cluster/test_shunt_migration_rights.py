"""Who gets what of a container that a migration has not reached: the cluster decides, before the source."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servers.live_migration import Live
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import READER, TESTER2

BODY = bytes(range(256)) * 300
New = Callable[..., Live]


@pytest.fixture
def from_swift(shunted: Shunted, swift: SwiftCluster) -> New:
    return lambda **options: Live.from_swift(shunted, swift, **options)


@pytest.fixture(params=[READER.name, TESTER2.name, ""])
def user(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_user_without_rights_gets_nothing_created_read_or_deleted(from_swift: New, user: str) -> None:
    live = from_swift()
    live.migration.source.request("POST", live.container, headers={"X-Container-Read": ".r:*"})
    live.store("o", BODY)
    other, refused = live.as_user(user), 403 if user else 401
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        assert other.ask(method, live.container, "o").status == refused, method
        assert other.ask(method, live.container).status == refused, method
    assert live.here().status == 404
    assert live.at_source() == ["o"]
    assert live.ask("HEAD").status == 204
    # now the source's ACL is here, which lets everybody read
    assert other.ask("GET", live.container, "o").body == BODY
    assert other.ask("DELETE", live.container, "o").status == refused
    assert other.ask("POST", live.container, "o").status == refused
    assert live.at_source() == ["o"]


def test_writer_without_the_account_may_use_what_is_there(from_swift: New) -> None:
    live = from_swift()
    live.migration.source.request("POST", live.container, headers={"X-Container-Write": READER.name})
    live.store("o", BODY)
    writer = live.as_user(READER.name)
    assert writer.ask("PUT", live.container, "new").status == 403
    assert live.ask("HEAD").status == 204
    assert writer.ask("PUT", live.container, "new").status == 201
    assert writer.ask("POST", live.container, "o", headers={"X-Object-Meta-A": "b"}).status == 202
    assert writer.ask("DELETE", live.container, "o").status == 204
    assert live.at_source() == []
    assert writer.ask("GET", live.container, "new").status == 403
