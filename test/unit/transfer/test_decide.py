"""What is done with an object, for everything that both sides may hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.model.copies import Origin
from s3_sync.model.headers import from_swift, from_user_metadata, to_user_metadata
from s3_sync.model.objects import STORED_HEADERS, Link, LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Features
from s3_sync.transfer.decide import Decision, as_version, decide, is_newer, same_meta

A, B = "a" * 32, "b" * 32
T1, T2, T3 = (Timestamp.parse(f"100000000{number}.00000") for number in (1, 2, 3))
PLAIN = ObjectMeta({"content-type": "text/plain"}, {"colour": "blue"})


def local(meta: ObjectMeta = PLAIN, **changed: Any) -> LocalInfo:
    info = LocalInfo("o", 10, A, A, meta=meta, data_timestamp=T1, timestamp=T2)
    return replace(info, **changed)


def ours(meta: ObjectMeta = PLAIN, mark: Timestamp = T2, **changed: Any) -> ObjectInfo:
    """A copy that carries our mark."""
    info = ObjectInfo("o", 10, A, A, 5.0, meta=meta.marked(swift_timestamp=mark.internal))
    return replace(info, **changed)


def earlier(meta: ObjectMeta = PLAIN, **changed: Any) -> ObjectInfo:
    """A copy by an earlier version: no mark."""
    return replace(ObjectInfo("o", 10, A, A, 5.0, meta=meta), **changed)


def meta(
    headers: dict[str, str] | None = None, user: dict[str, str] | None = None, **marks: str
) -> ObjectMeta:
    return ObjectMeta(
        {"content-type": "text/plain", **(headers or {})},
        {"colour": "blue"} if user is None else user,
        {name.replace("_", "-"): value for name, value in marks.items()},
    )


BYTES: list[tuple[str, LocalInfo, ObjectInfo | None, Decision]] = [
    ("absent", local(), None, Decision.PUT),
    ("same, ours", local(), ours(), Decision.NOOP),
    ("same, by an earlier version", local(), earlier(), Decision.NOOP),
    ("other bytes", local(), ours(md5=B, etag=B), Decision.PUT),
    ("other bytes, by an earlier version", local(), earlier(md5=B, etag=B), Decision.PUT),
    ("other size", local(), ours(size=11), Decision.PUT),
    ("empty object", local(size=0), ours(size=0), Decision.NOOP),
    ("remote digest unknown", local(), ours(md5=None, etag=f"{A}-2"), Decision.PUT),
    ("multipart with the digest as a mark", local(), ours(etag=f"{B}-2"), Decision.NOOP),
    ("neither digest known", local(md5=None), ours(md5=None, etag=f"{A}-2"), Decision.PUT),
    ("local digest unknown", local(md5=None), ours(), Decision.PUT),
]
LINK = replace(PLAIN, link=Link("c", "o"))
OTHER = replace(PLAIN, link=Link("c", "p"))
STATIC = replace(PLAIN, link=Link("c", "o", A))
LINKS: list[tuple[str, LocalInfo, ObjectInfo | None, Decision]] = [
    ("same link", local(LINK), ours(LINK), Decision.NOOP),
    ("same link, other metadata", local(replace(LINK, user={})), ours(LINK), Decision.POST),
    ("link to another object", local(LINK), ours(OTHER), Decision.PUT),
    ("link here, object there", local(LINK), ours(), Decision.PUT),
    ("object here, link there", local(), ours(LINK), Decision.PUT),
    ("static link here", local(STATIC), ours(LINK), Decision.PUT),
    ("link that is newer there", local(LINK), ours(OTHER, mark=T3), Decision.WAIT),
]
TIME: list[tuple[str, LocalInfo, ObjectInfo | None, Decision]] = [
    ("made from an older version", local(), ours(mark=T1), Decision.NOOP),
    ("made from a newer version, same bytes", local(), ours(mark=T3), Decision.WAIT),
    ("made from a newer version, other bytes", local(), ours(mark=T3, md5=B), Decision.WAIT),
    ("made from a newer version, other metadata", local(meta(user={})), ours(mark=T3), Decision.WAIT),
    ("newer by an offset", local(), ours(mark=T2.after()), Decision.WAIT),
    ("older, other bytes", local(), ours(mark=T1, md5=B), Decision.PUT),
    (
        "an unreadable mark says nothing",
        local(),
        earlier(PLAIN.marked(swift_timestamp="rubbish")),
        Decision.NOOP,
    ),
    ("the remote's clock says nothing", local(), ours(last_modified=9e9), Decision.NOOP),
]
META: list[tuple[str, LocalInfo, ObjectInfo | None, Decision]] = [
    ("changed value", local(meta(user={"colour": "red"})), ours(), Decision.POST),
    ("more user metadata here", local(meta(user={"colour": "blue", "x": "y"})), ours(), Decision.POST),
    ("more user metadata there", local(meta(user={})), ours(), Decision.POST),
    ("more there, by an earlier version", local(meta(user={})), earlier(), Decision.POST),
    ("an empty value is none", local(meta(user={"colour": "blue", "e": ""})), ours(), Decision.NOOP),
    ("an empty value there is none", local(), ours(meta(user={"colour": "blue", "e": ""})), Decision.NOOP),
    ("other content type", local(meta({"content-type": "a/b"})), ours(), Decision.POST),
    ("no content type is the default one", local(ObjectMeta()), ours(ObjectMeta()), Decision.NOOP),
    ("header here only", local(meta({"expires": "0"})), ours(), Decision.POST),
    ("header here only, by an earlier version", local(meta({"expires": "0"})), earlier(), Decision.POST),
    ("header there only", local(), ours(meta({"expires": "0"})), Decision.POST),
    ("header there only, by an earlier version", local(), earlier(meta({"expires": "0"})), Decision.NOOP),
    ("other marks do not count", local(), ours(meta(swift_etag=B, combined_etag=B)), Decision.NOOP),
    ("expiry the same", local(meta(x_delete_at="5")), ours(meta(x_delete_at="5")), Decision.NOOP),
    ("expiry changed", local(meta(x_delete_at="6")), ours(meta(x_delete_at="5")), Decision.POST),
    ("expiry taken away", local(), ours(meta(x_delete_at="5")), Decision.POST),
    ("expiry unknown to an earlier version", local(meta(x_delete_at="6")), earlier(), Decision.POST),
]
_QUOTED = {"a": "two words", "b": "50%", "c": "ü: ja"}
TAKE_OVER: list[tuple[str, LocalInfo, ObjectInfo | None, Decision]] = [
    (
        "percent-quoted values",
        local(meta(user=_QUOTED)),
        earlier(meta(user={name: quote(value) for name, value in _QUOTED.items()})),
        Decision.NOOP,
    ),
    ("raw values", local(meta(user=_QUOTED)), earlier(meta(user=_QUOTED)), Decision.NOOP),
    (
        "we never quote ourselves",
        local(meta(user={"a": "two words"})),
        ours(meta(user={"a": "two%20words"})),
        Decision.POST,
    ),
    (
        "quoted by the user",
        local(meta(user={"a": "two%20words"})),
        earlier(meta(user={"a": "two%20words"})),
        Decision.NOOP,
    ),
    (
        "quoted by the user, plain there",
        local(meta(user={"a": "two%20words"})),
        earlier(meta(user={"a": "two words"})),
        Decision.POST,
    ),
]
ARCHIVE: list[tuple[str, LocalInfo, ObjectInfo | None, Decision]] = [
    (
        f"{word} {'in an archive' if archived else 'at hand'}",
        here,
        replace(there, archived=archived),
        then,
    )
    for archived, changed in [(False, Decision.POST), (True, Decision.PUT)]
    for word, here, there, then in [
        ("same", local(), ours(), Decision.NOOP),
        ("other metadata", local(meta(user={})), ours(), changed),
        ("other bytes", local(), ours(md5=B), Decision.PUT),
        ("newer", local(), ours(mark=T3), Decision.WAIT),
    ]
]
CASES = BYTES + LINKS + TIME + META + TAKE_OVER + ARCHIVE


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-") for case in CASES],
)
def test_decide_follows_the_table(here: LocalInfo, there: ObjectInfo | None, expected: Decision) -> None:
    assert decide(here, there) is expected


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
headers = st.dictionaries(
    st.sampled_from(STORED_HEADERS), st.text("abc /;=", min_size=1).filter(str.strip), max_size=4
)
user = st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), texts, max_size=4)
metas = st.builds(ObjectMeta, headers, user, st.dictionaries(st.just("x-delete-at"), st.just("99")))


def stored(sent: ObjectMeta) -> ObjectMeta:
    """What a store gives back."""
    return from_user_metadata({"content-type": sent.content_type, **sent.headers}, to_user_metadata(sent))


@given(metas)
@settings(deadline=None)
def test_same_meta_holds_for_metadata_just_sent(sent: ObjectMeta) -> None:
    assert same_meta(sent, stored(sent.marked(swift_timestamp=T1.internal)))
    assert same_meta(sent, stored(sent))


@pytest.mark.parametrize("stored", ["foo_bar", "foo=5fbar", "Foo_Bar"])
@pytest.mark.parametrize("mark", [{}, {"swift-timestamp": T2.internal}])
def test_same_meta_holds_for_a_name_with_underscore_in_each_form(stored: str, mark: dict[str, str]) -> None:
    """Swift's S3 API has it as ``foo=5fbar``; 0.1 has copied that as it is, without a mark."""
    here = from_swift([("Content-Type", "text/plain"), ("X-Object-Meta-Foo=5Fbar", "v")])
    assert same_meta(here, from_user_metadata(here.headers, {stored: "v", **mark}))
    assert not same_meta(here, from_user_metadata(here.headers, {stored: "w", **mark}))
    assert not same_meta(here, from_user_metadata(here.headers, {"foo-bar": "v", **mark}))


@given(metas, metas)
@settings(deadline=None)
def test_decide_after_sending_finds_nothing_left_to_do(here: ObjectMeta, there: ObjectMeta) -> None:
    """Whatever the remote has: after what was decided nothing is left to do."""
    info = local(here)
    decision = decide(info, ours(stored(there)))
    assert decision in (Decision.NOOP, Decision.POST)
    assert decide(info, ours(stored(here))) is Decision.NOOP


class TestOtherSwift:
    """What is stored has an X-Timestamp; without our mark, a client may have written it there."""

    CAPITALS = ObjectMeta({"content-type": "Text/Plain", "content-encoding": "gzip"}, {"colour": "Dark Blue"})

    @pytest.mark.parametrize(
        ("remote", "expected"),
        [
            (earlier(x_timestamp=T3), Decision.NOOP),
            (earlier(x_timestamp=T3, etag=B, md5=B), Decision.WAIT),
            (earlier(x_timestamp=T1, etag=B, md5=B), Decision.PUT),
            (earlier(x_timestamp=T2, etag=B, md5=B), Decision.PUT),
            (earlier(meta(user={"colour": "red"}), x_timestamp=T3), Decision.WAIT),
            (earlier(meta(user={"colour": "red"}), x_timestamp=T1), Decision.POST),
            (earlier(meta(user={"colour": "blue", "more": "x"}), x_timestamp=T3), Decision.WAIT),
            (earlier(meta(user={}), x_timestamp=T3), Decision.POST),
            # a mark says more than the X-Timestamp
            (ours(etag=B, md5=B, x_timestamp=T3), Decision.PUT),
            (ours(mark=T3, etag=B, md5=B, x_timestamp=T1), Decision.WAIT),
        ],
    )
    def test_newer_object_of_a_client_there_is_left_alone(
        self, remote: ObjectInfo, expected: Decision
    ) -> None:
        assert decide(local(), remote) is expected

    def test_clock_of_the_store_can_make_an_object_newer_and_never_older(self) -> None:
        """Whose clock is wrong is not known: perhaps this node's, or that of the one server that answered."""
        remote = earlier(x_timestamp=T1, etag=B, md5=B)
        assert decide(local(), remote, None, -0.5) is Decision.PUT
        assert decide(local(), remote, None, -2.0) is Decision.WAIT
        assert is_newer(remote, T2, -2.0)
        newer = earlier(x_timestamp=T3, etag=B, md5=B)
        for ahead in (0.0, 1.0, 315360000.0):
            assert decide(local(), newer, None, ahead) is Decision.WAIT
            assert is_newer(newer, T2, ahead)

    @pytest.mark.parametrize(
        "left",
        [
            meta({"content-type": "text/plain"}, {"colour": "dark blue"}),
            meta({"content-type": "text/plain"}, {"colour": "dark%20blue"}),
            meta({"content-type": "Text/Plain"}, {}),
        ],
    )
    def test_what_earlier_versions_made_of_metadata_is_mended(self, left: ObjectMeta) -> None:
        assert decide(local(self.CAPITALS), earlier(left, x_timestamp=T3)) is Decision.POST

    def test_copy_of_another_daemon_counts_as_the_version_of_its_original(self) -> None:
        copied = local(origin=Origin(T1, "12345678"))
        there = Features(x_timestamp=True)
        assert as_version(copied, there).timestamp == T1
        assert as_version(as_version(copied, there), there).timestamp == T1
        assert as_version(copied, Features()).timestamp == T2
        assert as_version(local(), there).timestamp == T2
