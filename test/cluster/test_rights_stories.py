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
MOVES = {"retain_local": False, "propagate_delete": True, "merge_namespaces": True}
ROLES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "shared": (TESTER.account, MOVES),
    "shared_segments": (TESTER.account, None),
    "private": (TESTER.account, None),
    "archive": (TESTER.account, MOVES),
    "foreign": (TESTER2.account, {"merge_namespaces": True}),
}
#: who acts: the owners of both accounts, a user of the first one without rights of his own, and nobody
USERS = ("test:tester", "test2:tester2", "test:tester3", "")
PEOPLE = ("", "test:tester3", "test2:tester2", "test:tester3,test2:tester2")
GRANTS = {"read": (*PEOPLE, ".r:*", ".r:*,.rlistings"), "write": PEOPLE}
KEY = "sesame"
MOVING = {role for role, (_, options) in ROLES.items() if options is MOVES}
#: what Swift answers for a link or a large object that has lost something; 500: a DLO, at its second segment
ERRORS = (404, 409, 500, 503)
STORIES = 2
ROUNDS = 2


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], AnyServer]) -> Shunted:
    """A cluster of this file's own: sweeps walk through whole accounts."""
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


#: user, role of a container, verb, arguments: what a user does in any world
Act = tuple[str, str, str, dict[str, Any]]


def acts(rng: random.Random, again: bool) -> Iterator[Act]:
    """What users do in either world. ``again``: objects have been moved already; then segments stay as they
    are, because archived large objects do not follow them."""
    for role in ROLES:
        for name in ("seg1", "seg2") if not again else ():
            data = f"{role} {name} {rng.random()}".encode()
            yield World.owner(role), role, "put", {"name": name, "body": data}
        for verb in ("read", "write"):
            if rng.random() < 0.7:
                yield World.owner(role), role, verb, {"acl": rng.choice(GRANTS[verb])}
    for number in range(rng.randrange(5, 10)):
        user, role, target = rng.choice(USERS), rng.choice(list(ROLES)), rng.choice(list(ROLES))
        name = rng.choice([f"o{number}", "o0", "o1", "o2" if again else "seg1"])
        verb = rng.choice(["link", "link", "dlo", "dlo", "slo", "slo", "put", "delete", "read", "write"])
        if verb == "slo" and ROLES[target][1] is MOVES and again:
            verb = "dlo"  # Swift looks for an SLO's segments in the cluster, where they may not be any more
        arguments: dict[str, Any] = {"name": name, "target": target}
        if verb in ("read", "write"):
            user, arguments = World.owner(role), {"acl": rng.choice(GRANTS[verb])}
        elif verb == "put":
            arguments["body"] = f"{user} {rng.random()}".encode()
        elif verb in ("link", "slo"):
            arguments["names"] = rng.choice([["seg1"], ["seg2"], ["seg1", "seg2"]])
        yield user, role, verb, arguments


def perform(world: World, act: Act) -> int:
    """Returns the status."""
    user, role, verb, arguments = act
    if verb in ("read", "write"):
        headers = {f"X-Container-{verb.title()}": arguments["acl"]}
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


def seen(world: World, user: str, role: str, names: list[str]) -> dict[tuple[str, str], tuple[int, bytes]]:
    """What this user gets there: (name, how it was asked for) -> status and, of a success, the body."""
    found: dict[tuple[str, str], tuple[int, bytes]] = {}
    listing = world.ask(user, role, "GET")
    listed = [name for name in listing.body.decode().split("\n") if name in names]
    granted = listing.status in (200, 204)
    found["", "listing"] = (
        200 if granted else listing.status,
        "\n".join(listed).encode() if granted else b"",
    )
    for name in names:
        for method, query in (("GET", ""), ("HEAD", ""), ("GET", "multipart-manifest=get")):
            answer = world.ask(user, role, method, name, query=query)
            body = answer.body if answer.status == 200 and not query else b""
            found[name, f"{method} {query}"] = (answer.status, body)
        if not user:
            for prefix in (False, True):
                answer = world.ask("", role, "GET", name, query=world.temporary_url(role, name, prefix))
                body = answer.body if answer.status == 200 else b""
                found[name, f"temporary URL {prefix}"] = (answer.status, body)
    return found


def mappings(world: World, store: Store, bucket: str) -> list[dict[str, Any]]:
    target = Target(store.endpoint, store.identity, store.secret, bucket)
    return [
        target.mapping(account, world.container(role), **options)
        for role, (account, options) in ROLES.items()
        if options is not None
    ]


def check_bucket(mapped: World, store: Store, bucket: str, story: list[Act]) -> None:
    """No copy has bytes of another container than its own and the segment container of that."""
    client = store.client()
    found = keys(client, bucket)
    for role, (account, options) in ROLES.items():
        others = [f"{each} seg".encode() for each in ROLES if each not in (role, f"{role}_segments")]
        below = [key for key in found if key.startswith(key_prefix(account, mapped.container(role)))]
        assert options is not None or not below, story
        for key in below:
            body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            assert not any(other in body for other in others), (key, body, story)


#: what a link or a manifest names: its role and name -> the same of its target or segments
Named = dict[tuple[str, str], list[tuple[str, str]]]


def note(named: Named, act: Act) -> None:
    """Remember what an act that succeeded has stored."""
    _, role, verb, arguments = act
    if "name" in arguments:
        target, names = arguments.get("target", role), arguments.get("names", ["seg1", "seg2"])
        chosen = {"link": names[:1], "slo": names, "dlo": names}.get(verb, [])
        named[role, arguments["name"]] = [(target, each) for each in chosen]


def needs(named: Named, role: str, name: str, gone: set[str], depth: int = 5) -> bool:
    """Whether an object needs those of another container that may be ``gone``: moved, or with their large
    object. Readers of such a link or manifest may get an error where plain Swift has the bytes ("Moving
    objects" in configuration.md)."""
    return depth > 0 and any(
        (target != role and target in gone) or needs(named, target, each, gone, depth - 1)
        for target, each in named.get((role, name), [])
    )


def is_as_in_swift(
    what: tuple[str, str],
    expected: tuple[int, bytes],
    found: tuple[int, bytes],
    fragile: set[str],
    empty: set[str],
) -> bool:
    name, how = what
    if name in fragile and found[0] in ERRORS:
        return True
    # a DLO over segments that have left with another large object: to Swift they do not exist
    if name in empty and expected[0] == found[0] == 200:
        return found[1] in (b"", expected[1])
    # the manifest of an archived DLO lists its segments, and is only for who may list them
    if how == "GET multipart-manifest=get" and found[0] in (401, 403):
        return True
    return expected == found


class Story:
    """One story: equal acts in both worlds. ``told``: the acts so far."""

    def __init__(self, cluster: Shunted, seed: int) -> None:
        name = uuid4().hex[:8]
        self.plain, self.mapped = World(cluster, f"p{name}"), World(cluster, f"m{name}")
        self.told: list[Act] = []
        self._named: Named = {}
        self._rng = random.Random(seed)

    def go_on(self, again: bool) -> None:
        for act in acts(self._rng, again):
            self.told.append(act)
            status = perform(self.plain, act)
            assert perform(self.mapped, act) == status, self.told
            if status == 201:
                note(self._named, act)

    def check(self, store: Store, bucket: str) -> None:
        check_bucket(self.mapped, store, bucket, self.told)
        for role in ROLES:
            names = self.plain.names(role)
            here = self.mapped.names(role)
            if role == "shared_segments":
                assert set(here) <= set(names), self.told
                names = here
            assert here == names, (role, self.told)
            fragile = {name for name in names if needs(self._named, role, name, MOVING | {"shared_segments"})}
            empty = {name for name in names if needs(self._named, role, name, {"shared_segments"})}
            for user in USERS:
                expected, found = seen(self.plain, user, role, names), seen(self.mapped, user, role, names)
                wrong = {
                    what: (expected[what], found[what])
                    for what in expected
                    if not is_as_in_swift(what, expected[what], found[what], fragile, empty)
                }
                assert wrong == {}, (user, role, self.told)


def test_rights_of_mapped_containers_equal_those_of_plain_swift(
    cluster: Shunted, rclone_store: Store, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    bucket = f"b-{uuid4().hex[:12]}"
    rclone_store.client().create_bucket(Bucket=bucket)
    stories = [Story(cluster, seed + number) for number in range(STORIES)]
    mapped = [mapping for story in stories for mapping in mappings(story.mapped, rclone_store, bucket)]
    for mapping in mapped:
        cluster.add(mapping)
    daemon = SyncDaemon(cluster, tmp_path, mapped)
    for turn in range(ROUNDS):
        for story in stories:
            story.go_on(again=turn > 0)
        daemon.once()
        daemon.once()
    for story in stories:
        story.check(rclone_store, bucket)
