"""Listings of a mapped container, in front of a cluster that is a list of names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swift.common.middleware.listing_formats import ListingFilter
from swift.common.swob import HTTPForbidden, HTTPNotFound, HTTPUnauthorized, Request, Response

from s3_sync.errors import InvalidRequest, ListingUnusable, NotFound, RemoteError, RemoteUnavailable
from s3_sync.listing.query import ListingQuery
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import ListPage, ListQuery
from unit.listing.oracle import NAMES, expected, parameters
from unit.shunt.listed import LATE, PREFIX, WHERE, Cluster, CountingBucket, Shunt, fill, new_bucket


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_listing_of_both_sides_is_one_sorted_namespace(data: st.DataObject) -> None:
    here = data.draw(st.lists(NAMES, max_size=12, unique=True))
    there = data.draw(st.lists(NAMES, max_size=12, unique=True))
    asked = data.draw(parameters([*here, *there]))
    limit = data.draw(st.sampled_from(["", "0", "1", "2", "5", "10000"]))
    reverse = data.draw(st.booleans())
    shunt = Shunt(here, new_bucket(there))
    query = ListingQuery.from_request(asked, int(limit or 10_000), reverse)
    found = shunt.names(**asked, limit=limit, reverse="yes" if reverse else "")
    assert found == expected({*here, *there}, query)


class TestRecords:
    def test_content_location_tells_where_each_object_is(self) -> None:
        shunt = Shunt(["both", "g/1", "here", "h/"], new_bucket(["both", "g/2", "there", "x/"]))
        records = json.loads(shunt.get({"delimiter": "/"}).body)
        where = {record.get("name") or record["subdir"]: record.get("content_location") for record in records}
        assert where == {
            "both": [WHERE, "swift"],
            "g/": [WHERE, "swift"],
            "h/": None,
            "here": None,
            "there": [WHERE],
            "x/": [WHERE],
        }

    def test_object_on_both_sides_is_shown_in_its_newer_version(self) -> None:
        shunt = Shunt(["both"], new_bucket(["both"]))
        (record,) = json.loads(shunt.get().body)
        assert (record["bytes"], record["content_type"]) == (8, "application/octet-stream")
        shunt.cluster.record = lambda name: {"name": name, "bytes": 5, "last_modified": LATE}  # type: ignore[method-assign]
        (record,) = json.loads(shunt.get().body)
        assert record == {
            "name": "both", "bytes": 5, "last_modified": LATE, "content_location": [WHERE, "swift"],
        }  # fmt: skip

    def test_headers_are_those_of_the_local_listing(self) -> None:
        answer = Shunt(["here"], new_bucket(["there"])).get()
        assert answer.headers["X-Container-Object-Count"] == "1"
        assert answer.headers["X-Trans-Id"] == "tx1"
        assert answer.headers["Content-Length"] == str(len(answer.body))
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"

    def test_name_repeated_in_the_local_page_is_shown_once(self) -> None:
        shunt = Shunt(["a"], new_bucket(["b", "d"]))

        def twice(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            body = json.dumps([shunt.cluster.record(name) for name in ("c", "a", "a")]).encode()
            return Response(body=body, content_type="application/json")(environ, start_response)

        shunt.behind = twice
        assert shunt.names() == ["a", "b", "c", "d"]

    @pytest.mark.parametrize("reverse", [False, True])
    def test_name_repeated_in_a_full_local_page_is_kept(self, reverse: bool) -> None:
        """A page that is not full would mean that nothing follows, but the cluster may have more names
        before those of the bucket."""

        def twice(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            here = ("h", "e", "e") if reverse else ("c", "e", "c")
            body = json.dumps([Cluster([]).record(name) for name in here]).encode()
            return Response(body=body, content_type="application/json")(environ, start_response)

        def page(*there: str) -> list[str]:
            shunt = Shunt([], new_bucket(there), lambda _: twice)
            return shunt.names(limit="3", reverse="yes" if reverse else "")

        if reverse:
            assert page("a", "b") == page() == ["h", "e", "e"]
            assert page("a", "e", "g") == ["h", "g", "e"]
            assert page("g", "h", "i", "j") == ["j", "i", "h"]
        else:
            assert page("f", "g") == page() == ["c", "c", "e"]
            assert page("c", "d", "g") == ["c", "c", "d"]
            assert page("a", "b", "c") == ["a", "b", "c"]


class TestFormats:
    """Listings have the formats that Swift alone writes, on whichever side of the shunt its filter stands."""

    @pytest.fixture(params=["left", "right"])
    def shunt(self, request: pytest.FixtureRequest) -> Any:
        return lambda here, there: (
            ListingFilter(Shunt(here, new_bucket(there)), {})
            if request.param == "left"
            else Shunt(here, new_bucket(there), lambda app: ListingFilter(app, {}))
        )

    @pytest.mark.parametrize(
        ("asked", "accept"),
        [
            ("", None),
            ("", "application/json"),
            ("", "text/xml"),
            ("", "application/xml;q=0.9, text/plain;q=0.1"),
            ("", "*/*"),
            ("", "image/png"),
            ("", "nonsense"),
            ("format=plain", "text/xml"),
            ("format=xml", None),
            ("format=json", None),
            ("format=nonsense", None),
            ("format=xml&limit=99999", None),
            ("format=%ff", None),
            ("limit=abc&marker=&format=plain", None),
            ("prefix=none&format=plain", None),
            ("prefix=none&format=xml", None),
            ("prefix=%ff", None),
        ],
    )
    def test_listing_in_any_format_is_the_same_as_swift_alone(
        self, shunt: Any, asked: str, accept: str | None
    ) -> None:
        names = ["a", "b/1", "gr\u00fcn", "<&>"]
        plain = ListingFilter(Cluster(names), {})

        def ask(app: Any) -> Any:
            environ = {"pfs.is_bimodal": "no", **({"HTTP_ACCEPT": accept} if accept else {})}
            return Request.blank(f"/v1/a/c?{asked}", environ=environ).get_response(app)

        theirs, ours = ask(plain), ask(shunt(names, []))
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
        assert dict(ours.headers) == dict(theirs.headers)
        spliced = ask(shunt(names[1:], names[:1]))
        assert spliced.status == theirs.status
        assert spliced.headers["Content-Type"] == theirs.headers["Content-Type"]
        if "text/plain" in spliced.headers["Content-Type"]:
            assert spliced.body == theirs.body

    def test_request_without_a_format_gets_json(self) -> None:
        """As from s3api, which reads the JSON that the proxy itself writes."""
        assert Shunt(["a"], new_bucket(["b"])).names() == ["a", "b"]


class Failing:
    """A bucket whose listings fail, from the second page on."""

    namer = KeyNamer.literal(PREFIX)

    def __init__(self, error: Exception, good: int = 0) -> None:
        self.limits = new_bucket([]).limits
        self.error, self.good, self.asked = error, good, 0

    def list_objects(self, query: ListQuery) -> ListPage:
        self.asked += 1
        if self.asked <= self.good:
            return ListPage((ListedObject("b", 1),), (), "b")
        raise self.error


OUTAGES = [
    RemoteUnavailable("no answer", retry_after=7),
    NotFound("no such bucket", status=404),
    ListingUnusable("out of order"),
]


class TestFailures:
    @pytest.mark.parametrize("good", [0, 1])
    @pytest.mark.parametrize("error", OUTAGES, ids=lambda error: error.reason)
    def test_failed_remote_listing_gives_503_or_the_local_part(self, error: RemoteError, good: int) -> None:
        bucket: Any = Failing(error, good)
        answer = Shunt(["a", "c"], bucket, retain_local=False).get()
        assert answer.status_int == 503
        assert answer.headers["Retry-After"] == str(getattr(error, "retry_after", None) or 1)
        assert f"({error.reason})" in answer.body.decode()
        answer = Shunt(["a", "c"], bucket, retain_local=True).get()
        assert answer.status_int == 200
        assert answer.headers["X-Cloud-Sync-Shunt-Listing"] == "local-only"
        assert [record["name"] for record in json.loads(answer.body)] == ["a", "c"]

    def test_remote_listing_failure_option_overrides_retain_local(self) -> None:
        bucket: Any = Failing(OUTAGES[0])
        assert Shunt([], bucket, retain_local=True, remote_listing_failure="fail").get().status_int == 503
        assert Shunt([], bucket, retain_local=False, remote_listing_failure="local").get().status_int == 200

    def test_s3_client_gets_503_instead_of_the_local_part(self) -> None:
        bucket: Any = Failing(OUTAGES[0])
        assert Shunt([], bucket).get(**{"swift.source": "S3"}).status_int == 503

    def test_outage_is_logged_once_at_its_start_and_once_at_its_end(self) -> None:
        bucket: Any = Failing(OUTAGES[0])
        shunt = Shunt([], bucket)
        for _ in range(3):
            shunt.get()
        shunt.target = replace(shunt.target, bucket=new_bucket([]))
        for _ in range(3):
            shunt.get()
        first, second = shunt.log.lines
        assert first == f"{WHERE} cannot be listed, clients get the local part: remote_unavailable: no answer"
        assert second == f"{WHERE} can be listed again"


class Unsorted:
    namer, limits = KeyNamer.literal(PREFIX), new_bucket([]).limits

    def list_objects(self, query: ListQuery) -> ListPage:
        return ListPage(tuple(ListedObject(name, 1) for name in ("a", "c", "b")))


def test_remote_listing_out_of_order_gives_503() -> None:
    bucket: Any = Unsorted()
    shunt = Shunt([], bucket, retain_local=False)
    assert shunt.get().status_int == 503
    assert "out of order" in shunt.log.lines[0]


def test_remote_listing_with_too_many_requests_gives_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3_sync.shunt.listings.MAX_LIST_REQUESTS", 5)
    bucket: Any = CountingBucket(f"{number}/x" for number in range(10))
    shunt = Shunt([], bucket, retain_local=False)
    bucket.pages_of = 1
    assert shunt.get({"path": ""}).status_int == 503
    assert shunt.get({"delimiter": "/"}).status_int == 200


def test_object_moved_during_the_listing_is_shown() -> None:
    """The daemon moves it while the cluster is slow to answer."""
    bucket: Any = CountingBucket([])
    shunt = Shunt(["a", "moved"], bucket, retain_local=False)
    cluster = shunt.behind

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        bucket.began.wait(0.1)
        fill(bucket.behind, ["moved"])
        shunt.cluster.names.remove("moved")
        return cluster(environ, start_response)

    shunt.behind = app
    assert shunt.names() == ["a", "moved"]


def test_reverse_search_of_the_bucket_ends_when_the_cluster_refuses() -> None:
    bucket: Any = CountingBucket([f"{number:06d}" for number in range(5000)])
    bucket.pages_of = 1
    shunt = Shunt([], bucket)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        assert bucket.began.wait(20)
        return HTTPForbidden()(environ, start_response)

    shunt.behind = app
    threads = set(threading.enumerate())
    assert shunt.get({"reverse": "yes"}).status_int == 403
    for thread in set(threading.enumerate()) - threads:
        thread.join(20)
    assert len(bucket.asked) < 1000


def test_listing_that_takes_too_long_gives_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3_sync.shunt.listings.MAX_SECONDS", -1.0)
    assert Shunt([], new_bucket(["a"]), retain_local=False).get().status_int == 503


class TestAuthorization:
    def test_both_sides_are_listed_at_the_same_time(self) -> None:
        bucket: Any = CountingBucket(["b"])
        bucket.go.clear()
        shunt = Shunt(["a"], bucket)
        cluster = shunt.behind

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            assert bucket.began.wait(20)
            bucket.go.set()
            return cluster(environ, start_response)

        shunt.behind = app
        assert shunt.names() == ["a", "b"]

    @pytest.mark.parametrize("denial", [HTTPForbidden, HTTPUnauthorized])
    def test_denied_listing_makes_no_remote_request(self, denial: Any) -> None:
        bucket: Any = CountingBucket(["b"])
        shunt = Shunt(["a"], bucket)
        answer = shunt.get(**{"swift.authorize": lambda request: denial(request=request)})
        assert answer.status_int == denial().status_int
        assert bucket.asked == []

    def test_client_allowed_only_by_the_acl_gets_both_sides(self) -> None:
        def authorize(request: Any) -> Any:
            return None if request.acl else HTTPForbidden(request=request)

        bucket: Any = CountingBucket(["b"])
        shunt = Shunt(["a"], bucket)
        answer = shunt.get(**{"swift.authorize": authorize})
        assert [record["name"] for record in json.loads(answer.body)] == ["a", "b"]
        assert len(bucket.asked) == 1


class TestPassThrough:
    @pytest.mark.parametrize(
        ("asked", "headers"),
        [
            ({}, {"HTTP_X_BACKEND_RECORD_TYPE": "shard"}),
            ({"limit": "10001"}, {}),
            ({}, {"pfs.is_bimodal": "yes"}),
        ],
    )
    def test_shard_oversized_and_proxyfs_listings_skip_the_bucket(
        self, asked: dict[str, str], headers: dict[str, str]
    ) -> None:
        bucket: Any = CountingBucket(["b"])
        shunt = Shunt(["a"], bucket)
        shunt.get(asked, **headers)
        assert bucket.asked == []

    def test_versions_query_without_swift_versioning_gives_a_plain_listing(self) -> None:
        answer = Shunt(["a"], new_bucket(["b"])).get({"versions": ""})
        listed = json.loads(answer.body)
        assert [record["name"] for record in listed] == ["a", "b"]
        assert not any("version_id" in record for record in listed)

    def test_missing_container_passes_the_404_through(self) -> None:
        shunt = Shunt([], new_bucket(["b"]))
        shunt.behind = HTTPNotFound(body="nothing")
        answer = shunt.get()
        assert (answer.status_int, answer.body) == (404, b"nothing")

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"<html>", "text/html"),
            (b"{", "application/json"),
            (b"{}x", "application/json"),
            (b'["a"]', "application/json"),
            (b'[{"x": 1}]', "application/json"),
            (b'[{"name": 1}]', "application/json"),
        ],
    )
    def test_body_that_is_no_listing_is_passed_through(self, body: bytes, content_type: str) -> None:
        shunt = Shunt([], new_bucket(["b"]))
        shunt.behind = Response(body=body, content_type=content_type)
        assert shunt.get().body == body

    def test_query_string_is_unchanged_after_the_listing(self) -> None:
        environ = Request.blank("/v1/a/c?limit=5&format=xml&prefix=%C3%BC").environ
        environ["pfs.is_bimodal"] = "no"
        before = environ["QUERY_STRING"]
        b"".join(Shunt([], new_bucket([]))(environ, lambda *_: None))
        assert environ["QUERY_STRING"] == before


class TestStoreLimits:
    def test_delimiter_refused_by_the_store_is_applied_here(self) -> None:
        class Simple(CountingBucket):
            def list_objects(self, query: ListQuery) -> ListPage:
                if query.delimiter not in ("", "/") and len(self.asked) > 1:
                    self.asked.append(query)
                    raise InvalidRequest("groups do not end with the delimiter")
                return super().list_objects(replace(query, limit=min(2, query.limit)))

        bucket: Any = Simple(["1", "2", "3x1", "3x2", "4", "5x"])
        shunt = Shunt(["6x"], bucket)
        assert shunt.names(delimiter="x") == ["1", "2", "3x", "4", "5x", "6x"]
        assert shunt.names(delimiter="x", limit="4") == ["1", "2", "3x", "4"]
        assert len([query for query in bucket.asked if query.delimiter]) == 3

    def test_prefix_or_marker_beyond_the_key_limit_is_not_requested(self) -> None:
        bucket: Any = CountingBucket(["b", "x"])
        shunt = Shunt(["a"], bucket)
        assert shunt.names(prefix="b" * 1025) == []
        assert bucket.asked == []
        assert shunt.names(marker="b" + "\u00fc" * 1000) == ["x"]
        assert len((PREFIX + bucket.asked[0].start_after).encode()) in (1023, 1024)
