"""What a client may not read, list or lose without us it may not with us: random stories, Swift as oracle.

Each story is told twice, in containers that no mapping knows and in containers that are mapped. Users without
rights write links and manifests to whatever there is; owners grant and withdraw rights; the daemon runs in
between. Then every user reads every name in every way, and must get the same in both worlds.
"""

from __future__ import annotations

import hmac
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from servers.daemon import SyncDaemon, Target
from servers.landed import key_prefix, keys
from servers.pair import Store
from servers.raw_swift import Answer, RawSwift
from servers.server import AnyServer
from servers.shunted import Shunted
from servers.swift_spec import TESTER, TESTER2

#: role of a container -> the account that it is in, and how its mapping differs from a sync mapping
MOVES = {"retain_local": False, "propagate_delete": False, "merge_namespaces": True}
ROLES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "shared": (TESTER.account, MOVES),
    "shared_segments": (TESTER.account, None),
    "private": (TESTER.account, None),
    "archive": (TESTER.account, MOVES),
    "foreign": (TESTER2.account, {"merge_namespaces": True, "propagate_delete": False}),
}
#: who acts: the owners of both accounts, a user of the first one without rights of his own, and nobody
USERS = ("test:tester", "test2:tester2", "test:tester3", "")
GRANTS = ("", "test:tester3", "test2:tester2", ".r:*", ".r:*,.rlistings", "test:tester3,test2:tester2")
KEY = "sesame"
STORIES = 6
ROUNDS = 2


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], AnyServer]) -> Shunted:
    """Of its own: sweeps walk through whole accounts."""
    found = start_server(Shunted())
    assert isinstance(found, Shunted)
    return found


class World:
    """One story's containers, all with names of this world."""

    def __init__(self, cluster: Shunted, name: str) -> None:
        self.name = name
        self._clients = {
            (user, account): RawSwift(cluster, user or "test:tester", account)
            for user in USERS
            for account in (TESTER.account, TESTER2.account)
        }
        for (user, _), client in self._clients.items():
            if not user:
                client.token = ""
        for role in ROLES:
            self.as_owner(role).put_container(self.container(role), {"X-Container-Meta-Temp-URL-Key": KEY})

    def container(self, role: str) -> str:
        base, _, end = role.partition("_")
        return f"{self.name}-{base}" + (f"_{end}" if end else "")

    def ask(self, user: str, role: str, method: str, name: str | None = None, **more: Any) -> Answer:
        client = self._clients[user, ROLES[role][0]]
        return client.ask(method, self.container(role), name, **more)

    def as_owner(self, role: str) -> RawSwift:
        return self._clients[self.owner(role), ROLES[role][0]]

    @staticmethod
    def owner(role: str) -> str:
        return TESTER.name if ROLES[role][0] == TESTER.account else TESTER2.name

    def names(self, role: str) -> list[str]:
        return self.as_owner(role).names(self.container(role))

    def temporary_url(self, role: str, name: str, prefix: bool = False) -> str:
        """The query of one that the container's key has signed."""
        expires = int(time.time()) + 1000
        path = f"/v1/{ROLES[role][0]}/{self.container(role)}/{name}"
        if prefix:
            path = f"prefix:/v1/{ROLES[role][0]}/{self.container(role)}/"
        signature = hmac.new(KEY.encode(), f"GET\n{expires}\n{path}".encode(), "sha256").hexdigest()
        more = "&temp_url_prefix=" if prefix else ""
        return f"temp_url_sig={signature}&temp_url_expires={expires}{more}"


#: an act of a story: what a user does in any world
Act = tuple[str, str, str, dict[str, Any]]


def acts(rng: random.Random) -> Iterator[Act]:
    """(user, role, verb, arguments), the same for both worlds."""
    for role in ROLES:
        for name in ("seg1", "seg2"):
            data = f"{role} {name} {rng.random()}".encode()
            yield World.owner(role), role, "put", {"name": name, "body": data}
        for verb in ("read", "write"):
            if rng.random() < 0.7:
                yield World.owner(role), role, verb, {"acl": rng.choice(GRANTS)}
    for number in range(rng.randrange(5, 10)):
        user, role, target = rng.choice(USERS), rng.choice(list(ROLES)), rng.choice(list(ROLES))
        name = rng.choice([f"o{number}", "seg1", "o0", "o1"])
        verb = rng.choice(["link", "link", "dlo", "dlo", "slo", "slo", "put", "delete", "read", "write"])
        arguments: dict[str, Any] = {"name": name, "target": target}
        if verb in ("read", "write"):
            user, arguments = World.owner(role), {"acl": rng.choice(GRANTS)}
        elif verb == "put":
            arguments["body"] = f"{user} {rng.random()}".encode()
        elif verb in ("link", "slo"):
            arguments["names"] = rng.choice([["seg1"], ["seg2"], ["seg1", "seg2"]])
        yield user, role, verb, arguments


def perform(world: World, act: Act) -> int:
    """Returns the status."""
    user, role, verb, arguments = act
    if verb in ("read", "write"):
        headers = {
            f"X-Container-{verb.title()}": arguments["acl"].replace(".r:*,", ".r:*,")
            if verb == "read"
            else ",".join(each for each in arguments["acl"].split(",") if not each.startswith("."))
        }
        return world.ask(user, role, "POST", headers=headers).status
    name = arguments["name"]
    if verb == "delete":
        return world.ask(user, role, "DELETE", name).status
    if verb == "put":
        return world.ask(user, role, "PUT", name, body=arguments["body"]).status
    target = world.container(arguments["target"])
    if verb == "link":
        headers = {"X-Symlink-Target": f"{target}/{arguments['names'][0]}"}
        if ROLES[arguments["target"]][0] != ROLES[role][0]:
            headers["X-Symlink-Target-Account"] = ROLES[arguments["target"]][0]
        return world.ask(user, role, "PUT", name, headers=headers).status
    if verb == "dlo":
        return world.ask(user, role, "PUT", name, headers={"X-Object-Manifest": f"{target}/seg"}).status
    entries = json.dumps([{"path": f"/{target}/{each}"} for each in arguments["names"]]).encode()
    return world.ask(user, role, "PUT", name, query="multipart-manifest=put", body=entries).status


def seen(world: World, user: str, role: str, names: list[str]) -> dict[str, tuple[int, bytes]]:
    """What this user gets there."""
    found: dict[str, tuple[int, bytes]] = {}
    listing = world.ask(user, role, "GET")
    found["listing"] = (listing.status, listing.body if listing.status == 200 else b"")
    for name in names:
        for method, query in (("GET", ""), ("HEAD", ""), ("GET", "multipart-manifest=get")):
            answer = world.ask(user, role, method, name, query=query)
            body = answer.body if answer.status == 200 and not query else b""
            found[f"{method} {name} {query}"] = (answer.status, body)
        if not user:
            for prefix in (False, True):
                answer = world.ask("", role, "GET", name, query=world.temporary_url(role, name, prefix))
                body = answer.body if answer.status == 200 else b""
                found[f"temporary URL {name} {prefix}"] = (answer.status, body)
    return found


def mappings(world: World, store: Store, bucket: str) -> list[dict[str, Any]]:
    target = Target(store.endpoint, store.identity, store.secret, bucket)
    return [
        target.mapping(account, world.container(role), **options)
        for role, (account, options) in ROLES.items()
        if options is not None
    ]


def check_bucket(plain: World, mapped: World, store: Store, bucket: str, story: list[Act]) -> None:
    """Each copy is what the owner of its container reads there without a right anywhere else: nothing but
    objects of the container and its segment containers."""
    client = store.client()
    for role, (account, options) in ROLES.items():
        prefix = key_prefix(account, mapped.container(role))
        for key in [each for each in keys(client, bucket) if each.startswith(prefix)]:
            body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            others = [each for each in ROLES if each not in (role, f"{role}_segments")]
            assert not any(f"{each} seg".encode() in body for each in others), (key, body, story)
        assert options is not None or not [each for each in keys(client, bucket) if each.startswith(prefix)]


def test_rights_of_mapped_containers_equal_those_of_plain_swift(
    cluster: Shunted, rclone_store: Store, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    told: dict[int, list[Act]] = {}
    worlds: dict[int, tuple[World, World, random.Random]] = {}
    bucket = f"b-{uuid4().hex[:12]}"
    rclone_store.client().create_bucket(Bucket=bucket)
    mapped: list[dict[str, Any]] = []
    for number in range(STORIES):
        name = uuid4().hex[:8]
        pair = World(cluster, f"p{name}"), World(cluster, f"m{name}")
        worlds[number] = (*pair, random.Random(seed + number))
        told[number] = []
        mapped += mappings(pair[1], rclone_store, bucket)
    for mapping in mapped:
        cluster.add(mapping)
    daemon = SyncDaemon(cluster, tmp_path, mapped)
    for _ in range(ROUNDS):
        for number, (plain, ours, rng) in worlds.items():
            for act in acts(rng):
                told[number].append(act)
                assert perform(plain, act) == perform(ours, act), (seed, told[number])
        daemon.once()
        daemon.once()
        for number, (plain, ours, _) in worlds.items():
            story = told[number]
            check_bucket(plain, ours, rclone_store, bucket, story)
            for role in ROLES:
                names = plain.names(role)
                assert ours.names(role) == names, (seed, role, story)
                for user in USERS:
                    expected, found = seen(plain, user, role, names), seen(ours, user, role, names)
                    wrong = {
                        key: (expected[key], found[key]) for key in expected if expected[key] != found[key]
                    }
                    assert wrong == {}, (seed, user, role, story)
