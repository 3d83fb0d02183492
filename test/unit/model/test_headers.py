"""Metadata on its way from Swift to a store and back."""

from __future__ import annotations

import email.header
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import ObjectRefused
from s3_sync.model.headers import (
    decode_value,
    encode_value,
    from_swift,
    from_user_metadata,
    storable,
    to_swift,
    to_user_metadata,
)
from s3_sync.model.objects import MARKS, ObjectMeta

values = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.text(string.printable, max_size=200),
    st.text("=?utf8-UTFQqBb_ \té€😀", max_size=80),
)
#: names that Swift can store and S3 accepts: no underscore, and no other ``=`` than that of an encoded one
names = st.lists(
    st.sampled_from(["=5f", "-", ".", "~", "5f", "a", "b2", "!", "%3d"]), min_size=1, max_size=8
).map("".join)
many = settings(deadline=None, max_examples=150)


class TestValues:
    @pytest.mark.parametrize(
        ("value", "sent"),
        [
            ("\x04w", "=?UTF-8?Q?=04w?="),
            ("h\x04", "=?UTF-8?Q?h=04?="),
            ("\x04" * 5, "=?UTF-8?B?BAQEBAQ=?="),
            ("é", "=?UTF-8?B?w6k=?="),
            ("", ""),
            ("plain: text, as it is; 100%", "plain: text, as it is; 100%"),
            ("=?iso-8859-1?q?x?=", "=?iso-8859-1?q?x?="),
        ],
    )
    def test_encode_known_value_gives_known_form_that_decodes_back(self, value: str, sent: str) -> None:
        assert encode_value(value) == sent
        assert decode_value(sent) == value

    @pytest.mark.parametrize(
        "value", [" lead", "trail ", "\ttab", "=?UTF-8?Q?a?=", "say =?utf-8?b?YQ==?= so"]
    )
    def test_encode_ascii_with_outer_blank_or_encoded_word_encodes_it(self, value: str) -> None:
        assert encode_value(value) != value
        assert decode_value(encode_value(value)) == value

    @many
    @given(values)
    def test_decode_of_any_encoded_text_gives_that_text(self, value: str) -> None:
        assert decode_value(encode_value(value)) == value

    @many
    @given(values)
    def test_encode_any_text_gives_printable_ascii_in_short_words(self, value: str) -> None:
        sent = encode_value(value)
        assert all(" " <= character <= "~" for character in sent)
        assert sent == sent.strip()
        if sent != value:
            assert all(len(word) <= 75 for word in sent.split(" "))

    @many
    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
    def test_encoded_words_are_decoded_alike_by_the_standard_library(self, value: str) -> None:
        sent = encode_value(value)
        if sent != value:
            assert str(email.header.make_header(email.header.decode_header(sent))) == value

    @pytest.mark.parametrize(
        "stored",
        [
            "=?iso-8859-1?q?caf=E9?=",
            "=?utf-8?b?!!!?=",
            "=?utf-8?q?caf=E9?=",
            "=?utf-8?x?abc?=",
            "=?utf-8?b?w6k=",
            "a =? b",
        ],
    )
    def test_decode_foreign_or_malformed_word_leaves_it_as_it_is(self, stored: str) -> None:
        assert decode_value(stored) == stored

    def test_decode_keeps_blanks_beside_a_malformed_word(self) -> None:
        assert decode_value("=?utf-8?b?!!?= =?utf-8?b?w6k=?=") == "=?utf-8?b?!!?= é"
        assert decode_value("=?utf-8?b?w6k=?= =?utf-8?b?!!?=") == "é =?utf-8?b?!!?="

    @pytest.mark.parametrize(
        ("stored", "value"),
        [
            ("=?utf-8?q?a_b?=", "a b"),
            ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
            ("=?UTF-8?B?w6k=?=\n =?UTF-8?B?w6k=?=", "éé"),
            ("x =?UTF-8?Q?y?= z", "x y z"),
        ],
    )
    def test_decode_words_of_other_encoders_gives_their_text(self, stored: str, value: str) -> None:
        assert decode_value(stored) == value


class TestFromSwift:
    def test_response_headers_become_headers_user_metadata_and_marks(self) -> None:
        meta = from_swift(
            [
                ("Content-Type", "text/plain; charset=UTF-8"),
                ("Content-Encoding", "gzip"),
                ("Content-Disposition", "attachment"),
                ("Cache-Control", "no-cache"),
                ("Content-Language", "de"),
                ("Expires", "0"),
                ("Content-Length", "3"),
                ("Etag", "abc"),
                ("X-Timestamp", "1402464677.04188"),
                ("X-Trans-Id", "tx"),
                ("X-Object-Meta-Color", "Blü"),
                ("X-Object-Meta-Empty", ""),
                ("X-Delete-At", "1999999999"),
                ("X-Object-Manifest", "seg%C3%BC/a%20b"),
                ("X-Static-Large-Object", "true"),
            ]
        )
        assert meta.headers == {
            "content-type": "text/plain; charset=UTF-8",
            "content-encoding": "gzip",
            "content-disposition": "attachment",
            "cache-control": "no-cache",
            "content-language": "de",
            "expires": "0",
        }
        assert meta.user == {"color": "Blü", "empty": ""}
        assert meta.marks == {
            "x-delete-at": "1999999999",
            "x-object-manifest": "segü/a b",
            "x-static-large-object": "True",
        }

    @pytest.mark.parametrize("mark", sorted(MARKS))
    @pytest.mark.parametrize("hyphen", ["-", "=5F", "=5f"])
    def test_user_metadata_named_like_a_mark_is_dropped(self, mark: str, hyphen: str) -> None:
        """Ceph makes hyphens of underscores: a user's swift_timestamp would be our mark there."""
        name = mark.replace("-", hyphen, 1)
        meta = from_swift([(f"X-Object-Meta-{name}", "forged"), ("X-Object-Meta-Other", "x")])
        assert meta.user == {"other": "x"}
        assert meta.marks == {}
        assert "forged" not in to_user_metadata(meta).values()


class TestUserMetadata:
    def test_object_manifest_mark_is_percent_quoted(self) -> None:
        meta = ObjectMeta(marks={"x-object-manifest": "segü/a b"})
        assert to_user_metadata(meta) == {"x-object-manifest": "seg%C3%BC/a%20b"}

    @many
    @given(
        st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True), values, max_size=4),
        st.dictionaries(st.sampled_from(sorted(MARKS)), values, max_size=4),
    )
    def test_metadata_sent_to_a_store_is_read_back_equal(
        self, user: dict[str, str], marks: dict[str, str]
    ) -> None:
        user = {name: value for name, value in user.items() if name not in MARKS}
        meta = ObjectMeta({"content-type": "text/plain"}, user, marks)
        sent = to_user_metadata(meta)
        stored = {name.title(): value for name, value in sent.items()}  # stores change the case of names
        assert from_user_metadata({"content-type": "text/plain", "etag": "x"}, stored) == meta

    def test_unknown_and_empty_headers_of_a_store_are_dropped(self) -> None:
        meta = from_user_metadata({"content-type": "a/b", "expires": "", "server": "x"}, {})
        assert meta == ObjectMeta({"content-type": "a/b"})


class TestNamesWithUnderscore:
    """Swift's S3 API keeps ``foo_bar`` as ``foo=5fbar``."""

    @pytest.mark.parametrize(
        ("in_swift", "in_bucket"),
        [
            ("foo=5fbar", "foo_bar"),
            ("foo-bar", "foo-bar"),
            ("=5f", "_"),
            ("a=5f=5fb", "a__b"),
        ],
    )
    def test_name_is_sent_as_s3_clients_know_it_and_read_back_equal(
        self, in_swift: str, in_bucket: str
    ) -> None:
        meta = from_swift([(f"X-Object-Meta-{in_swift.upper()}", "v")])
        assert to_user_metadata(meta) == {in_bucket: "v"}
        assert from_user_metadata({}, {in_bucket.title(): "v"}).user == {in_swift: "v"}
        assert to_swift(from_user_metadata({}, {in_bucket: "v"})) == {f"x-object-meta-{in_swift}": "v"}

    def test_name_with_underscore_and_the_same_with_hyphen_stay_apart(self) -> None:
        meta = ObjectMeta(user={"foo=5fbar": "1", "foo-bar": "2"})
        sent = to_user_metadata(meta)
        assert sent == {"foo_bar": "1", "foo-bar": "2"}
        assert from_user_metadata({}, sent).user == meta.user

    def test_encoded_name_that_is_stored_as_it_is_counts_as_the_same(self) -> None:
        assert from_user_metadata({}, {"foo=5Fbar": "v"}).user == {"foo=5fbar": "v"}

    def test_both_forms_of_a_name_in_a_bucket_are_joined(self) -> None:
        """Whatever their order in the response."""
        stored = {"foo_bar": "2", "foo=5fbar": "=?UTF-8?Q?=C3=A9?=", "other": "3"}
        for metadata in (stored, dict(reversed(stored.items()))):
            assert from_user_metadata({}, metadata).user == {"foo=5fbar": "é,2", "other": "3"}

    @pytest.mark.parametrize("name", ["a=41", "a=", "a=5", "=", "a=5=5fb", "a=5f=41"])
    def test_name_with_another_equals_sign_keeps_it(self, name: str) -> None:
        """``check_limits`` refuses it: S3 drops such headers."""
        (sent,) = to_user_metadata(ObjectMeta(user={name: "v"}))
        assert "=" in sent

    def test_store_that_keeps_none_gets_hyphens_and_a_mark(self) -> None:
        meta = ObjectMeta(user={"foo=5fbar": "1", "=5f-=5f": "2", "a-b": "3"})
        sent = to_user_metadata(meta, keeps_underscores=False)
        assert sent == {"foo-bar": "1", "---": "2", "a-b": "3", "swift-underscores": "_-_,foo_bar"}
        assert from_user_metadata({}, {name.title(): value for name, value in sent.items()}) == meta

    @many
    @given(st.dictionaries(st.text("a=5f-", min_size=1, max_size=6), st.just("v"), max_size=5))
    def test_any_names_come_back_equal_from_such_a_store_or_are_refused(self, user: dict[str, str]) -> None:
        meta = from_user_metadata({}, user)
        if len({name.replace("=5f", "-") for name in meta.user}) < len(meta.user):
            with pytest.raises(ObjectRefused) as refusal:
                to_user_metadata(meta, keeps_underscores=False)
            assert refusal.value.reason == "metadata_name_clash"
            return
        sent = to_user_metadata(meta, keeps_underscores=False)
        assert not any("_" in name for name in sent)
        assert from_user_metadata({}, sent) == meta

    @many
    @given(st.dictionaries(names, values, max_size=5))
    def test_any_names_that_swift_can_store_come_back_equal(self, user: dict[str, str]) -> None:
        user = {name: value for name, value in user.items() if name not in MARKS}
        meta = ObjectMeta({"content-type": "text/plain"}, user)
        sent = to_user_metadata(meta)
        assert not any("=" in name for name in sent)
        assert len(sent) == len(user)
        back = from_user_metadata({"content-type": "text/plain"}, sent)
        assert back == meta
        assert from_swift(to_swift(back).items()) == meta

    @many
    @given(st.dictionaries(st.text("a=5f_-", min_size=1, max_size=8), st.just("v"), max_size=5))
    def test_any_names_of_other_writers_are_read_as_one_state_that_is_then_stored(
        self, stored: dict[str, str]
    ) -> None:
        """What was read, once written back, reads the same."""
        meta = from_user_metadata({}, stored)
        assert not any("_" in name for name in meta.user)
        assert from_user_metadata({}, to_user_metadata(meta)) == meta


@pytest.mark.parametrize("name", ["b", "c", "d"])
def test_what_would_not_be_one_header_in_swift_is_left_out(name: str) -> None:
    """A store tells it in an encoded word, which any of its clients may have written."""
    word = {"b": "=?UTF-8?Q?a=0D=0AX-Delete-At:_1?=", "c": "=?UTF-8?B?YQA=?=", "d": "=?UTF-8?Q?a=0A?="}[name]
    meta = from_user_metadata({"content-type": "a/b"}, {"fine": "1", name: word})
    assert name in meta.user
    assert storable(meta) == {"content-type": "a/b", "x-object-meta-fine": "1"}


@pytest.mark.parametrize(
    ("given", "kept"), [("a/b; swift_bytes=0;c=d", "a/b;c=d"), (";swift_bytes=1", "application/octet-stream")]
)
def test_sizes_in_a_content_type_are_left_out(given: str, kept: str) -> None:
    assert storable(ObjectMeta({"content-type": given})) == {"content-type": kept}
