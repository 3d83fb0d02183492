"""A cluster with the middleware is a cluster without it, as long as nothing is in a bucket."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from servers.pair import Store
from servers.raw_swift import Answer, RawSwift
from servers.shunted import Archive, Shunted
from servers.stories import BODY, NOBODY, STORIES, StepResult, copies, links, objects, web
from servers.swift import SwiftCluster
from servers.swift_spec import ADMIN, READER, TESTER, TESTER2

#: differ between any two requests
_CHANCE = frozenset(
    ["date", "etag", "last-modified", "x-copied-from-last-modified", "x-manifest-etag"]
    + ["x-openstack-request-id", "x-put-timestamp", "x-timestamp", "x-trans-id"]
    + ["x-object-version-id", "x-delete-at", "expires", "x-amz-id-2", "x-amz-request-id"]
)
#: dates of several forms, trans-ids, ETags, addresses
_BY_CHANCE = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.]+|\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT|\d{10}\.\d{5}"
    r"|datetime\([^)]*\)|tx[0-9a-f-]{32,}|[0-9a-f]{32}|127\.0\.0\.1:\d+"
)


class World:
    """A cluster and its users."""

    def __init__(self, cluster: SwiftCluster) -> None:
        names = [user.name for user in (TESTER, TESTER2, READER, ADMIN)]
        self.users = {name: RawSwift(cluster, name, TESTER.account) for name in names}
        self.users[NOBODY] = RawSwift(cluster)
        self.users[NOBODY].token = ""

    def ask(self, container: str, one: StepResult) -> Answer:
        return self.users[one.user].ask(
            one.method,
            container + one.at,
            one.name,
            query=one.query,
            headers=one.headers,
            body=one.body,
        )


@pytest.fixture(scope="module")
def worlds(swift: SwiftCluster, shunted: Shunted) -> list[World]:
    return [World(swift), World(shunted)]


def told(answer: Answer, without: frozenset[str] = frozenset()) -> object:
    """Without dates, and without ETags, since the manifest of an SLO has dates in it."""
    left_out = _CHANCE | without
    headers = {name: _constant(value) for name, value in answer.headers.items() if name not in left_out}
    return answer.status, headers, _constant(answer.body.decode("latin-1"))


def _constant(text: str) -> str:
    return _BY_CHANCE.sub("", text)


@pytest.fixture(params=["unmapped", "mapped"])
def container(request: pytest.FixtureRequest, shunted: Shunted, s3api: Store) -> str:
    """The name of one that does not exist yet; or of one whose bucket is empty."""
    name = f"c-{uuid4().hex[:12]}"
    if request.param == "mapped":
        everything = dict.fromkeys(["restore_object", "propagate_delete", "propagate_post"], True)
        archive = Archive(shunted, s3api, container=name, **everything)
        archive.swift.request("DELETE", name)
    return name


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_every_answer_equals_that_of_a_cluster_without_the_middleware(
    worlds: list[World], container: str, story: Callable[[str], list[StepResult]]
) -> None:
    for one in story(container):
        plain, ours = (world.ask(container, one) for world in worlds)
        assert told(ours) == told(plain), one


ODD_PATHS = [
    *(
        "/v1/AUTH_test/{}/%ff",
        "/v1/AUTH_test/%ff/o",
        "/v1/%ff/{}/o",
        "/v1/AUTH_test/{}/%00o",
        "/v1/AUTH_test/%00c/o",
    ),
    *(
        "//AUTH_test/{}/o",
        "/v9/AUTH_test/{}/o",
        "/v1//{}/o",
        "/v1/AUTH_test//o",
        "/v1/AUTH_test/{}//",
        "/v1",
        "/v1/",
    ),
    *(
        "/AUTH_test/{}/o",
        "/v1/AUTH_test/{}/o?%ff=%ff",
        "/v1/AUTH_test/{}?marker=%ff",
        "/v1/AUTH_test/{}?limit=-1",
    ),
]


def test_odd_path_is_answered_like_without_the_middleware(worlds: list[World], container: str) -> None:
    for world in worlds:
        world.users[TESTER.name].put_container(container)
    headers = {"Destination": "/%ff/o", "X-Copy-From": "/%ff/o", "X-Copy-From-Account": "%ff"}
    for path in ODD_PATHS:
        for method in ("GET", "DELETE", "COPY"):
            said = [
                raw(
                    world.users[TESTER.name],
                    method,
                    path.format(container),
                    headers if method != "GET" else {},
                )
                for world in worlds
            ]
            assert said[0] == said[1], (method, path)


def raw(user: RawSwift, method: str, path: str, headers: dict[str, str]) -> object:
    connection = http.client.HTTPConnection(urlsplit(user.cluster.s3_endpoint).netloc, timeout=60)
    try:
        connection.request(method, path, headers={"X-Auth-Token": user.token, **headers})
        answer = connection.getresponse()
        return answer.status, _constant(answer.read().decode("latin-1"))
    finally:
        connection.close()


#: a container tells what the cluster holds
_COUNTS = frozenset(["x-container-object-count", "x-container-bytes-used"])


@pytest.mark.parametrize("story", [objects, copies, web, links], ids=lambda story: story.__name__)
def test_answers_for_archived_objects_equal_those_of_plain_swift(
    worlds: list[World], new_archive: Callable[..., Archive], story: Callable[[str], list[StepResult]]
) -> None:
    """Each object is moved away as soon as it is written."""
    archive = new_archive(propagate_delete=True, propagate_post=True)
    worlds[0].users[TESTER.name].put_container(archive.container)
    for one in story(archive.container):
        if (one.method, one.name) == ("DELETE", None) or "If-None-Match" in one.headers:
            continue  # what was moved is no obstacle to these
        if "X-Container-Meta-Web-Listings" in one.headers:
            break  # web pages that show the types of all objects
        plain, ours = (world.ask(archive.container, one) for world in worlds)
        if plain.status == 412:
            assert ours.status == 412, one  # its headers differ
            continue
        assert told(ours, _COUNTS) == told(plain, _COUNTS), one
        assert ours.headers.get("etag") == plain.headers.get("etag")
        here = archive.ask("GET", query="format=json", X_Cloud_Sync_Shunt_Bypass="yes").body
        for entry in json.loads(here):
            move(archive, entry["name"])


def move(archive: Archive, name: str) -> None:
    here = archive.get(name, X_Cloud_Sync_Shunt_Bypass="yes")
    assert archive.ask("DELETE", name, X_Cloud_Sync_Shunt_Bypass="yes").status == 204
    kept = {
        "Content-Encoding": "ContentEncoding",
        "Cache-Control": "CacheControl",
        "Content-Type": "ContentType",
    }
    options = {kept[key]: here.headers[key.lower()] for key in kept if key.lower() in here.headers}
    meta = {key[14:]: value for key, value in here.headers.items() if key.startswith("x-object-meta-")}
    # the tombstone of a move would not hide it, this one would
    marks = {"swift-timestamp": f"{time.time():.5f}", "x-delete-at": here.headers.get("x-delete-at", "")}
    archive.store(name, here.body, {**meta, **marks}, **options)


def test_every_s3_answer_equals_that_without_the_middleware(
    swift: SwiftCluster, shunted: Shunted, container: str
) -> None:
    bucket = container
    here: dict[str, Any] = {"Bucket": bucket, "Key": "o"}
    versioned = {"Status": "Enabled"}
    deleted = {"Objects": [{"Key": "o"}]}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_objects_v2", {"Bucket": bucket}),
        ("create_bucket", {"Bucket": bucket}),
        ("create_bucket", {"Bucket": bucket}),
        ("put_object", {**here, "Body": BODY, "Metadata": {"k": "v"}}),
        ("head_object", here),
        ("get_object", {**here, "Range": "bytes=1-2"}),
        ("get_object", {**here, "PartNumber": 1}),
        ("get_object", {**here, "PartNumber": 2}),
        ("get_object", {**here, "IfNoneMatch": hashlib.md5(BODY).hexdigest()}),
        ("get_object", {**here, "Key": "absent"}),
        ("copy_object", {**here, "Key": "copy", "CopySource": f"{bucket}/o"}),
        ("copy_object", {**here, "Key": "copy", "CopySource": f"{bucket}/absent"}),
        ("list_objects", {"Bucket": bucket, "MaxKeys": 1}),
        ("list_objects_v2", {"Bucket": bucket, "Delimiter": "o"}),
        ("list_object_versions", {"Bucket": bucket}),
        ("get_object_acl", here),
        ("get_object_tagging", here),
        ("list_multipart_uploads", {"Bucket": bucket}),
        ("put_bucket_versioning", {"Bucket": bucket, "VersioningConfiguration": versioned}),
        ("delete_objects", {"Bucket": bucket, "Delete": deleted}),
        ("get_object", here),
        ("delete_object", here),
        ("list_object_versions", {"Bucket": bucket, "Prefix": "c"}),
        ("delete_bucket", {"Bucket": bucket}),
        ("head_bucket", {"Bucket": f"{bucket}-absent"}),
    ]
    clients = [swift.s3_client(), shunted.s3_client()]
    for operation, parameters in calls:
        plain, ours = (called(client, operation, parameters) for client in clients)
        assert ours == plain, (operation, parameters)


def called(client: Any, operation: str, parameters: dict[str, Any]) -> object:
    try:
        answer = getattr(client, operation)(**parameters)
    except ClientError as error:
        answer = error.response
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    said = answer.pop("ResponseMetadata")
    return said["HTTPStatusCode"], sorted(set(said["HTTPHeaders"]) - _CHANCE), _constant(repr(answer))
