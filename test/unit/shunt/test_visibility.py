"""Copies that clients do not see, according to the cluster's 404 and to all replicas."""

from __future__ import annotations

from typing import Any, cast

import pytest

from s3_sync.cluster.newest import Deleted, LocalState, NewestState, Present, Unknown
from s3_sync.cluster.rings import Node
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.errors import LocalUnavailable, NotFound, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.shunt.request import RemoteLookup
from s3_sync.shunt.visibility import Visibility

COPIED, LATER = "1700000000.00000", "1700000001.00000"
NODE = Node("127.0.0.1", 1, "d")
COPY = ObjectInfo("o", 1, meta=ObjectMeta(marks={"swift-timestamp": COPIED}))


def present(expired: bool) -> LocalState:
    time = Timestamp.parse(LATER)
    return Present(time, time, 0, {}, expired, NODE)


class World:
    """``state``: what all replicas know, or the error of that request."""

    def __init__(self, said: str | None, state: LocalState | Exception, *, deletes: bool = False) -> None:
        self.said = said
        self.state = state
        self.asked: list[tuple[str, ...]] = []
        namer = KeyNamer.hashed("AUTH_a", "c")
        profile = Profile(propagate_delete=deletes)
        self.mapping = Mapping("AUTH_a", "c", "b", S3Credentials(), profile, namer)
        self.target = self.local = self
        self.container, self.name = "c", "o"

    def header(self, name: str) -> str | None:
        assert name == "x-backend-timestamp"
        return self.said

    def of(self, *place: str) -> LocalState:
        self.asked.append(place)
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def sees(self, info: ObjectInfo = COPY) -> bool:
        try:
            Visibility(cast(NewestState, self)).check(cast(RemoteLookup, cast(Any, self)), info)
        except NotFound:
            return False
        return True


@pytest.mark.parametrize("said", [None, "", "nonsense", "1600000000.00000", f"{COPIED}_0000000000000001"])
def test_copy_of_a_moved_object_is_visible_without_a_request(said: str | None) -> None:
    world = World(said, Unknown(), deletes=True)
    assert world.sees()
    assert world.asked == []


def test_copy_with_the_timestamp_of_the_404_is_hidden_as_expired() -> None:
    assert not World(COPIED, Unknown()).sees()
    version = f"{COPIED}_0000000000000001"
    copy = ObjectInfo("o", 1, meta=ObjectMeta(marks={"swift-timestamp": version}))
    assert not World(version, Unknown()).sees(copy)


def test_copy_older_than_the_404_is_hidden_only_by_an_expired_object() -> None:
    for state, seen in (
        (present(expired=True), False),
        (present(expired=False), True),
        (Deleted(Timestamp.parse(LATER)), True),
        (Unknown(), True),
    ):
        world = World(LATER, state)
        assert world.sees() is seen, state
        assert world.asked == [("AUTH_a", "c", "o")]


def test_copy_older_than_the_404_without_a_majority_is_unavailable() -> None:
    with pytest.raises(RemoteUnavailable, match="cannot tell whether o has expired"):
        World(LATER, LocalUnavailable("no majority")).sees()


def test_copy_of_a_deleted_object_is_hidden_where_deletes_are_propagated() -> None:
    world = World(LATER, Deleted(Timestamp.parse(LATER)), deletes=True)
    assert not world.sees()
    assert world.asked == []


def test_expired_copy_is_hidden() -> None:
    marks = {"swift-timestamp": COPIED, "x-delete-at": "1700000000"}
    assert not World(None, Unknown()).sees(ObjectInfo("o", 1, meta=ObjectMeta(marks=marks)))
