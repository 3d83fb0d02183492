"""Rules that make objects expire, among rules that are not ours."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from s3_sync.config.credentials.s3_dialects import DIALECTS
from s3_sync.errors import AccessDenied, InvalidRequest, NotFound, NotSupported, RemoteError, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.lifecycle import edit, rule_id
from servers.scripted_s3 import Answer, ScriptedS3, error

HASHED = KeyNamer.hashed("AUTH_a", "c")
OTHERS = (
    "<Rule><ID>tax</ID><Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v &amp; w</Value></Tag></And>"
    "</Filter><Status>Enabled</Status><Expiration><Days>9</Days></Expiration>"
    "<Novelty since='2031'><X/></Novelty></Rule><!-- keep out -->"
    "<Rule><ID>all</ID><Filter/><Status>Enabled</Status>"
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
    "</AbortIncompleteMultipartUpload></Rule>"
)
NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

LISTING_WITH_A_NAME_THAT_IS_NO_XML = (
    b"<ListBucketResult><Contents><Key>a\x01</Key></Contents></ListBucketResult>"
)


def document(rules: str, namespace: str = NAMESPACE) -> bytes:
    whole = f'<?xml version="1.0" encoding="UTF-8"?><LifecycleConfiguration{namespace}>{rules}'
    return f"{whole}</LifecycleConfiguration>".encode()


def rule(identity: str, prefix: str, days: int, status: str = "Enabled") -> str:
    return (
        f"<Rule><ID>{identity}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>{status}</Status>"
        f"<Expiration><Days>{days}</Days></Expiration></Rule>"
    )


def rules_in(text: bytes | None) -> str:
    assert text is not None
    found = re.search(rb"<LifecycleConfiguration[^>]*>(.*)</LifecycleConfiguration>", text, re.DOTALL)
    assert found
    return found[1].decode().replace("'", '"')


def ours(prefix: str, days: int, status: str = "Enabled") -> str:
    return rule(rule_id(prefix), prefix, days, status)


def test_edit_without_rules_adds_one_for_each_key_space() -> None:
    for nothing in (None, document(""), document("", "")):
        edited = edit(nothing, HASHED.key_spaces, 30)
        assert rules_in(edited) == "".join(ours(prefix, 30) for prefix in HASHED.key_spaces)
        assert edited is not None
        assert edit(edited, HASHED.key_spaces, 30) is None


def test_key_spaces_of_hashed_prefix_include_manifests() -> None:
    assert HASHED.key_spaces == (HASHED.prefix, HASHED.manifest_prefix)
    assert KeyNamer.literal("p/").key_spaces == ("p/",), "manifests are below it"
    assert KeyNamer.literal("").key_spaces == ("",)


def test_edit_leaves_other_rules_unchanged() -> None:
    others = OTHERS.replace("'", '"')
    edited = edit(document(OTHERS), ["p/"], 3)
    assert rules_in(edited) == others + ours("p/", 3)
    edited = edit(edited, ["p/"], 4)
    assert rules_in(edited) == others + ours("p/", 4)
    edited = edit(edited, ["p/"], 0)
    assert rules_in(edited) == others + ours("p/", 4, "Disabled")
    assert edit(edited, ["p/"], 0) is None
    edited = edit(edited, ["p/"], 5)
    assert rules_in(edited) == others + ours("p/", 5)


@pytest.mark.parametrize("prefix", ["p/", ""])
def test_edit_leaves_rules_that_resemble_its_own_unchanged(prefix: str) -> None:
    theirs = [
        rule("ours?", prefix, 9),
        rule("", prefix, 9),
        rule(rule_id("q/"), "q/", 9),
        rule(rule_id(prefix), "q/", 9),
        f"<Rule><ID>{rule_id(prefix)}</ID><Filter><And><Prefix>{prefix}</Prefix></And></Filter></Rule>",
        rule("p/", "p/a/", 9),
    ]
    for each in theirs:
        kept = each.replace("<ID></ID>", "<ID/>").replace("<Prefix></Prefix>", "<Prefix/>")
        edited = rules_in(edit(document(each), [prefix], 3))
        assert edited.startswith(kept)
        assert edit(document(each), [prefix], 0) is None, "nor are they switched off"


def test_edit_takes_over_a_rule_of_an_earlier_version() -> None:
    """Its ID is the prefix itself, and a placeholder may be beside it."""
    placeholder = rule("fakerule", "", 30000, "Disabled").replace("<Prefix></Prefix>", "<Prefix/>")
    prefix = HASHED.prefix
    edited = edit(document(placeholder + rule(prefix, prefix, 30)), [prefix], 30)
    assert edited is None
    edited = edit(document(placeholder + rule(prefix, prefix, 30)), HASHED.key_spaces, 40)
    assert rules_in(edited) == placeholder + rule(prefix, prefix, 40) + ours(HASHED.manifest_prefix, 40)


def test_edit_keeps_additions_to_its_own_rule() -> None:
    more = (
        "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>"
    )
    edited = edit(document(ours("p/", 3).replace("</Rule>", more)), ["p/"], 4)
    assert rules_in(edited) == ours("p/", 4).replace("</Rule>", more)


def test_edit_beside_rules_of_the_older_form_uses_that_form() -> None:
    """S3 refuses a mixture of both forms."""
    old = "<Rule><ID>old</ID><Prefix>x/</Prefix><Status>Enabled</Status></Rule>"
    edited = edit(document(old), ["p/"], 3)
    new = ours("p/", 3).replace("<Filter>", "").replace("</Filter>", "")
    assert rules_in(edited) == old + new
    assert edit(edited, ["p/"], 3) is None
    assert rules_in(edit(edited, ["p/"], 0)) == old + new.replace("Enabled", "Disabled")


def test_edit_uses_the_named_namespace_of_the_document() -> None:
    rules = b"<a:Rule><a:ID>t</a:ID></a:Rule>"
    text = b'<a:LifecycleConfiguration xmlns:a="urn:x">%s</a:LifecycleConfiguration>' % rules
    edited = edit(text, ["p/"], 3)
    assert edited is not None
    root = ElementTree.fromstring(edited)
    assert {element.tag for element in root.iter()} >= {"{urn:x}Rule", "{urn:x}Days", "{urn:x}Prefix"}
    assert all(element.tag.startswith("{urn:x}") for element in root.iter())
    assert edit(edited, ["p/"], 3) is None


def test_edit_escapes_characters_of_the_prefix() -> None:
    prefix = 'a&b<c>"ü ☃/'
    edited = edit(None, [prefix], 3)
    assert edited is not None
    (found,) = (element.text for element in ElementTree.fromstring(edited).iter() if "Prefix" in element.tag)
    assert found == prefix
    assert edit(edited, [prefix], 3) is None


@pytest.mark.parametrize("text", [b"", b"not xml", b"<Other/>", b"<LifecycleConfiguration>"])
def test_edit_other_document_raises_an_error(text: bytes) -> None:
    with pytest.raises(NotSupported if text == b"<Other/>" else InvalidRequest):
        edit(text, ["p/"], 3)


class TestSetExpiryRule:
    @pytest.fixture
    def bucket(self, open_provider: Any) -> S3Bucket:
        bucket: S3Bucket = open_provider().bucket("bucket", KeyNamer.literal("p/"))
        return bucket

    def test_existing_rules_are_read_and_written_with_ours(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        minimum = {"x-amz-transition-default-minimum-object-size": "varies_by_storage_class"}
        store.answers = [
            Answer(200, minimum, document(OTHERS)),
            Answer(200),
            Answer(200, minimum, document(OTHERS + ours("p/", 3))),
        ]
        assert bucket.set_expiry_rule(3)
        read, written, again = store.requests
        assert (again.method, again.target) == ("GET", "/bucket?lifecycle")
        assert (read.method, written.method) == ("GET", "PUT")
        assert read.target == written.target == "/bucket?lifecycle"
        assert rules_in(written.body) == OTHERS.replace("'", '"') + ours("p/", 3)
        digest = base64.b64encode(hashlib.md5(written.body).digest()).decode()
        assert written.headers["content-md5"] == digest
        assert int(written.headers["content-length"]) == len(written.body)
        assert written.headers["x-amz-transition-default-minimum-object-size"] == "varies_by_storage_class"
        store.answers = [Answer(200, {}, written.body)]
        assert not bucket.set_expiry_rule(3)
        assert len(store.requests) == 4

    def test_bucket_without_rules_gets_ours(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        there = Answer(200, {}, document(ours("p/", 3)))
        store.answers = [error(404, "NoSuchLifecycleConfiguration"), Answer(200), there]
        assert bucket.set_expiry_rule(3)
        assert rules_in(store.requests[1].body) == ours("p/", 3)
        store.answers = [error(404, "NoSuchLifecycleConfiguration")]
        assert not bucket.set_expiry_rule(0)

    @pytest.mark.parametrize("said", [Answer(200), Answer(200, {}, b"<html>Sign in</html>")])
    def test_rules_that_were_not_written_raise_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket, said: Answer
    ) -> None:
        """Or nobody would ever write them."""
        absent = error(404, "NoSuchLifecycleConfiguration")
        store.answers = [absent, said, absent]
        with pytest.raises(UnexpectedAnswer):
            bucket.set_expiry_rule(3)

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (error(403, "AccessDenied"), AccessDenied),
            (error(404, "NoSuchBucket"), NotFound),
            (error(404, "NoSuchKey"), NotFound),
            (error(501, "NotImplemented"), NotSupported),
            (Answer(404), NotFound),
            (Answer(200, {}, b"<ListBucketResult/>"), NotSupported),
            (Answer(200, {}, LISTING_WITH_A_NAME_THAT_IS_NO_XML), NotSupported),
            (Answer(200, {}, b"{}"), UnexpectedAnswer),
            (Answer(200, {}, b"<html/>"), UnexpectedAnswer),
            (Answer(200), UnexpectedAnswer),
        ],
    )
    def test_other_answer_to_the_read_raises_and_writes_nothing(
        self, store: ScriptedS3, bucket: S3Bucket, answer: Answer, kind: type[RemoteError]
    ) -> None:
        """Or everybody's rules would be overwritten."""
        store.answers = [answer]
        with pytest.raises(kind):
            bucket.set_expiry_rule(3)
        assert {request.method for request in store.requests} == {"GET"}

    def test_store_without_rules_raises_not_supported_without_a_request(
        self, store: ScriptedS3, open_provider: Any
    ) -> None:
        bucket = open_provider(dialect=DIALECTS["swift"]).bucket("bucket", KeyNamer.literal("p/"))
        with pytest.raises(NotSupported):
            bucket.set_expiry_rule(3)
        assert store.requests == []
