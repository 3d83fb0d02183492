"""Archived objects behind an `OddStore`, and clients of cloud-shunt: what they get must be right, or an
error.

`Reads.during` asks while a deviation goes on, `Reads.afterwards` when it is over. What was not as it must
be is in ``problems``.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from servers.odd_store import DEVIATIONS, Deviation, OddStore
from servers.pair import Store
from servers.process import wait_until
from servers.raw_swift import Answer
from servers.shunted import Archive, Shunted

BODY = b"".join(hashlib.sha512(b"%d" % number).digest() for number in range(100))  # 6400 bytes
SEGMENTS = [BODY[start : start + 2000] for start in (0, 2000, 4000)]
LARGE = b"".join(SEGMENTS)
ARCHIVED = {"a": BODY, "b/c": b"bc", "ranges": BODY, "head": BODY, "posted": BODY, "slo": LARGE}
#: stores whose ETags are no MD5s, whether they look like it or not
NO_MD5S = {"32 digits that are no MD5", "opaque ETags"}
#: what tells that the store is at fault
ERRORS = {502, 503, 504}
#: what the middleware asks of a store
ASKED = {"GetObject", "HeadObject", "ListObjects", "CopyObject"}
SOON = 30.0
_ETAG = re.compile(r'(W/)?"?[\w-]+"?')


@dataclass
class Reads:
    """One deviation."""

    name: str
    odd: OddStore
    archive: Archive
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, cluster: Shunted, store: Store) -> Reads:
        odd = OddStore(store)
        archive = Archive(cluster, odd.store, restore_object=True, propagate_post=True)
        marks = {}  # what the daemon adds where it finds that ETags are no MD5s
        if name in NO_MD5S:
            marks = {each: {"swift-etag": hashlib.md5(body).hexdigest()} for each, body in ARCHIVED.items()}
        for each, body in ARCHIVED.items():
            if each != "slo":
                meta = {"colour": "red", **marks.get(each, {})}
                archive.store(each, body, meta, ContentType="text/x-odd")
        container = f"{archive.container}_segments"
        archive.swift.put_container(container)
        parts = [(container, f"s{number}", body) for number, body in enumerate(SEGMENTS)]
        archive.store_large("slo", parts, colour="red", **marks.get("slo", {}))
        archive.swift.put(archive.container, "local", b"local")
        return cls(name, odd, archive)

    @property
    def deviation(self) -> Deviation:
        return DEVIATIONS[self.name]

    def during(self) -> None:
        self.odd.turn_on(self.name)
        self._ask()
        for name, body in ARCHIVED.items():
            answer = self.archive.get(name, X_Cloud_Sync_Shunt_Bypass="yes")
            if answer.status == 200 and (wrong := self._wrong_object(answer, body)):
                self._blame(f"restored {name}", wrong)
        if answer := self._post():
            self._blame("POST", answer)
        if asked := self.odd.asked_elsewhere():
            self._blame("anything", f"another host was asked {asked} times")
        self.odd.turn_off()

    def afterwards(self) -> None:
        """All is well, when the middleware has noticed that the store is; what was read comes back."""
        wait_until(lambda: self.archive.get("ranges").status == 200, SOON, f"{self.name} is over")
        before = len(self.problems)
        self._ask(every=True)
        if self.problems[before:]:
            self.problems.append("this was afterwards: " + "; ".join(self.problems[before:]))
        for name in ("a", "slo"):
            try:
                answer = self.archive.restored(name)
            except TimeoutError:
                self._blame(f"restore of {name}", "not within half a minute")
                continue
            if wrong := self._wrong_object(answer, ARCHIVED[name]):
                self._blame(f"restored {name}", wrong)

    def _ask(self, every: bool = False) -> None:
        readable = every or self.deviation.readable
        for query in (
            "format=json",
            "format=json&delimiter=/",
            "format=json&prefix=b",
            "format=json&marker=head",
        ):
            self._judge(
                f"LIST {query}", self.archive.ask("GET", query=query), readable, self._wrong_listing(query)
            )
        self._judge("HEAD", self.archive.ask("HEAD", "head"), readable, self._wrong_head)
        ranges = "bytes=5-1004"
        self._judge("GET of a range", self._get("ranges", Range=ranges), readable, self._wrong_range)
        for name in ("a", "b/c", "slo"):
            wrong = partial(self._wrong_object, body=ARCHIVED[name])
            self._judge(f"GET {name}", self._get(name), readable, wrong)
        self._judge(
            "GET of a manifest", self._get("slo", "multipart-manifest=get"), readable, self._wrong_manifest
        )

    def _get(self, name: str, query: str = "", **headers: str) -> Answer | None:
        """None: the answer ended early, and the client has noticed."""
        try:
            return self.archive.get(name, query, **headers)
        except (http.client.IncompleteRead, ConnectionError):
            return None

    def _judge(self, what: str, answer: Answer | None, readable: bool, wrong: Any) -> None:
        if answer is None:
            found = "broken off" if readable else ""
        elif answer.status // 100 == 2:
            found = wrong(answer)
        else:
            found = "" if answer.status in ERRORS and not readable else f"status {answer.status}"
        if found:
            self._blame(what, found)

    def _blame(self, what: str, found: str) -> None:
        self.problems.append(f"{what}: {found}")

    def _wrong_object(self, answer: Answer, body: bytes) -> str:
        if answer.body != body:
            return f"{answer.status}, {len(answer.body)} bytes of {len(body)} ({answer.body[:20]!r})"
        if answer.headers["content-length"] != str(len(body)):
            return f"Content-Length {answer.headers['content-length']} of {len(body)}"
        return self._wrong_headers(answer)

    def _wrong_headers(self, answer: Answer) -> str:
        if answer.headers.get("x-object-meta-colour") != "red":
            return f"metadata {answer.headers.get('x-object-meta-colour')!r}"
        etag = answer.headers.get("etag", "")
        return "" if _ETAG.fullmatch(etag) else f"ETag {etag!r}"

    def _wrong_head(self, answer: Answer) -> str:
        if answer.headers["content-length"] != str(len(BODY)):
            return f"Content-Length {answer.headers['content-length']} of {len(BODY)}"
        return self._wrong_headers(answer)

    def _wrong_range(self, answer: Answer) -> str:
        if answer.status == 200:
            return self._wrong_object(answer, BODY)
        told = answer.headers.get("content-range")
        if (answer.body, told) != (BODY[5:1005], f"bytes 5-1004/{len(BODY)}"):
            return f"{answer.status}, {len(answer.body)} bytes, {told}"
        return ""

    def _wrong_manifest(self, answer: Answer) -> str:
        try:
            entries = json.loads(answer.body)
            sizes = [entry["bytes"] for entry in entries]
        except (ValueError, TypeError, KeyError):
            return f"no manifest: {answer.body[:30]!r}"
        return "" if sizes == [len(segment) for segment in SEGMENTS] else f"another manifest: {sizes}"

    def _wrong_listing(self, query: str) -> Any:
        everything = {name: len(body) for name, body in ARCHIVED.items()} | {"local": 5}
        if "prefix" in query:
            expected: dict[str, int | None] = {"b/c": 2}
        elif "marker" in query:
            expected = {name: size for name, size in everything.items() if name > "head"}
        else:
            expected = dict(everything)
        if "delimiter" in query:
            expected.pop("b/c")
            expected["b/"] = None

        def wrong(answer: Answer) -> str:
            found = {
                each.get("name", each.get("subdir")): each.get("bytes") for each in json.loads(answer.body)
            }
            lacking = sorted(expected.keys() - found.keys())
            others = sorted(name for name in found if found[name] != expected.get(name, -1))
            return f"lacks {lacking}, {others} are other ones" if lacking or others else ""

        return wrong

    def _post(self) -> str:
        """A POST that is answered with success has changed the copy, and nothing else of it."""
        answer = self.archive.ask("POST", "posted", X_Object_Meta_Colour="blue")
        bucket = {"Bucket": self.archive.bucket, "Key": self.archive.prefix + "posted"}
        stored = self.archive.s3.get_object(**bucket)
        colour, body = stored["Metadata"].get("colour"), stored["Body"].read()
        if answer.status in ERRORS:
            readable = self.deviation.lasting and self.deviation.readable
            return f"status {answer.status}" if readable else ""
        if answer.status != 202 or colour != "blue" or body != BODY:
            return f"status {answer.status}, and the copy is {colour}, {len(body)} bytes"
        return ""
