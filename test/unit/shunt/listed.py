"""A mapped container in front of a cluster that is a list of names."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from swift.common.request_helpers import constrain_req_limit, get_param
from swift.common.swob import HTTPException, Request, Response
from swift.common.utils import config_true_value

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile
from s3_sync.listing.query import ListingQuery
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import Bucket, ListPage, ListQuery
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.shunt.listings import Listings
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import Request as ShuntRequest
from s3_sync.streams.reader import BytesBody
from unit.listing.oracle import expected

PREFIX = "pre/"
WHERE = f"https://store.example.org;bucket;{PREFIX}"
LATE = "2100-01-02T03:04:05.000000"


class Log:
    """Swift's logger, as far as it is used."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def increment(self, metric: str) -> None:
        pass

    def error(self, line: str, *arguments: object) -> None:
        self.lines.append(line % arguments)

    warning = error


class Cluster:
    """The rest of a pipeline: a container that holds ``names``, in JSON as the proxy gives it."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        if "swift.authorize" in environ:
            request.acl = "the container's"
            if denial := environ["swift.authorize"](request):
                return denial(environ, start_response)
        try:
            return self._list(request)(environ, start_response)
        except HTTPException as refusal:
            return refusal(environ, start_response)

    def _list(self, request: Request) -> Response:
        asked = {
            name: get_param(request, name)
            for name in ("marker", "end_marker", "prefix", "delimiter", "path")
            if name in request.params
        }
        limit = constrain_req_limit(request, 10_000)
        query = ListingQuery.from_request(asked, limit, config_true_value(get_param(request, "reverse")))
        records = [
            {"subdir": name} if name not in self.names or self._is_group(name, query) else self.record(name)
            for name in expected(self.names, query)
        ]
        headers = {"X-Container-Object-Count": str(len(self.names)), "X-Trans-Id": "tx1"}
        response = Response(
            request=request, headers=headers, content_type="application/json", charset="utf-8"
        )
        response.body = json.dumps(records).encode()
        return response

    def _is_group(self, name: str, query: ListingQuery) -> bool:
        return not query.level and query.group(name) == name

    def record(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "bytes": 5,
            "hash": "local",
            "content_type": "text/plain",
            "last_modified": "2000-01-02T03:04:05.000000",
        }


def new_bucket(names: Iterable[str]) -> MemoryBucket:
    provider = MemoryProvider()
    provider.create_bucket("bucket")
    bucket = provider.bucket("bucket", KeyNamer.literal(PREFIX))
    fill(bucket, names)
    return bucket


def fill(bucket: MemoryBucket, names: Iterable[str]) -> None:
    for name in names:
        bucket.put_object(name, BytesBody(b"12345678"), PutOptions(8))


class Shunt:
    """The listings of one mapped container. ``behind``: more of the pipeline, right of the shunt."""

    def __init__(
        self,
        local: Iterable[str],
        bucket: Bucket,
        behind: Callable[[Any], Any] = lambda app: app,
        **profile: Any,
    ) -> None:
        self.log = Log()
        self.cluster = Cluster(local)
        credentials = S3Credentials(endpoint="https://store.example.org")
        self.mapping = Mapping(
            "a", "c", "bucket", credentials, Profile(**profile), KeyNamer.literal(PREFIX), PREFIX
        )
        self.target = MappedContainer(self.mapping, bucket)
        self.listings = Listings(ProxyFs(False), self.log)
        self.behind = behind(self.cluster)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.listings(ShuntRequest(environ, self.behind, self, self.target, "a", "c"), start_response)

    def get(self, asked: dict[str, str] | None = None, **environ: Any) -> Any:
        blank = {"pfs.is_bimodal": "no", **environ}
        request = Request.blank(f"/v1/a/c?{urlencode(asked or {})}", environ=blank)
        return request.get_response(self)

    def names(self, **asked: str) -> list[str]:
        answer = self.get(asked)
        assert answer.status_int == 200
        return [record.get("name") or record["subdir"] for record in json.loads(answer.body)]


class CountingBucket:
    """A memory bucket that records its listings; ``go`` holds them up."""

    def __init__(self, names: Iterable[str]) -> None:
        self.behind = new_bucket(names)
        self.name, self.namer, self.limits = "bucket", self.behind.namer, self.behind.limits
        self.asked: list[ListQuery] = []
        self.pages_of = 1000  # lines, where no group is asked for
        self.began, self.go = threading.Event(), threading.Event()
        self.go.set()

    def list_objects(self, query: ListQuery) -> ListPage:
        self.asked.append(query)
        self.began.set()
        assert self.go.wait(20)
        limit = query.limit if query.delimiter else min(query.limit, self.pages_of)
        return self.behind.list_objects(replace(query, limit=limit))
