"""Timestamps mean here what they mean in Swift: its own classes are the oracle."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swift.common.utils import Timestamp as SwiftTimestamp
from swift.common.utils import decode_timestamps, encode_timestamps

from s3_sync.model.timestamps import (
    UNITS,
    Timestamp,
    decode_row_timestamps,
    parse_http_date,
    parse_iso_date,
)

MAX_RAW = 10**15 - 1
raws = st.integers(0, MAX_RAW)
offsets = st.one_of(st.just(0), st.integers(0, 16**16 - 1))
many = settings(deadline=None, max_examples=150)


def swift(stamp: Timestamp) -> SwiftTimestamp:
    return SwiftTimestamp(stamp.internal)


class TestForms:
    def test_parse_documented_form_gives_parts_that_are_written_back(self) -> None:
        stamp = Timestamp.parse("1402464677.04188")
        assert (stamp.raw, stamp.offset) == (140246467704188, 0)
        assert stamp.internal == stamp.normal == str(stamp) == "1402464677.04188"
        later = Timestamp.parse("1402464677.04188_0000000000000001")
        assert later == Timestamp(140246467704188, 1)
        assert later.normal == "1402464677.04188"
        assert str(later) == later.internal == "1402464677.04188_0000000000000001"

    @many
    @given(raws, offsets)
    def test_normal_and_internal_forms_equal_those_of_swift(self, raw: int, offset: int) -> None:
        stamp = Timestamp(raw, offset)
        theirs = SwiftTimestamp(raw / UNITS, offset=offset)
        assert (stamp.normal, stamp.internal) == (theirs.normal, theirs.internal)
        assert Timestamp.parse(stamp.internal) == stamp
        assert Timestamp.parse(theirs.short) == stamp
        assert stamp.seconds == theirs.timestamp
        assert stamp.ceil_seconds() == theirs.ceil()

    @many
    @given(st.integers(0, 9_999_999_999), st.text("0123456789", min_size=0, max_size=9))
    def test_parse_any_number_of_decimals_rounds_as_swift_does(self, seconds: int, decimals: str) -> None:
        text = f"{seconds}.{decimals}" if decimals else str(seconds)
        theirs = SwiftTimestamp(text, check_bounds=False)
        ours = Timestamp.parse(text)
        # beyond five decimals Swift goes through a float, whose last digit may tip a half either way
        assert abs(ours.raw - theirs.raw) <= (1 if len(decimals) > 5 else 0)

    @many
    @given(raws, st.floats(-0.4, 0.4))
    def test_from_seconds_gives_the_nearest_timestamp(self, raw: int, part: float) -> None:
        assert abs(Timestamp.from_seconds((raw + part) / UNITS).raw - raw) <= 1
        assert Timestamp.from_seconds(raw / UNITS).raw == raw

    @pytest.mark.parametrize(
        "text",
        ["", "abc", "-1.0", "1402464677.04188_", "1402464677.04188_00000000000000001", "1_2_3", "1e9", "nan"],
    )
    def test_parse_malformed_text_raises_value_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a Swift timestamp"):
            Timestamp.parse(text)

    def test_parse_ignores_blanks_around_the_timestamp(self) -> None:
        assert Timestamp.parse(" 1402464677.04188 ") == Timestamp.parse("1402464677.04188")


class TestOrder:
    @many
    @given(raws, offsets, raws, offsets)
    def test_comparison_of_any_two_equals_that_of_swift(
        self, raw1: int, offset1: int, raw2: int, offset2: int
    ) -> None:
        one, two = Timestamp(raw1, offset1), Timestamp(raw2, offset2)
        assert (one < two, one == two) == (swift(one) < swift(two), swift(one) == swift(two))

    @many
    @given(raws, offsets, raws, offsets)
    def test_internal_forms_sort_like_their_timestamps(
        self, raw1: int, offset1: int, raw2: int, offset2: int
    ) -> None:
        """The journal compares them as text."""
        one, two = Timestamp(raw1, offset1), Timestamp(raw2, offset2)
        assert (one < two) == (one.internal < two.internal)

    @many
    @given(raws, st.integers(0, 16**16 - 2))
    def test_after_gives_the_next_offset_of_the_same_time(self, raw: int, offset: int) -> None:
        stamp = Timestamp(raw, offset)
        assert stamp < stamp.after() < Timestamp(raw + 1)
        assert stamp.after() == Timestamp(raw, offset + 1)


class TestRowTimestamps:
    @many
    @given(raws, offsets, raws, raws)
    def test_decode_of_three_timestamps_equals_that_of_swift(
        self, data: int, offset: int, content_type: int, meta: int
    ) -> None:
        encoded = encode_timestamps(
            swift(Timestamp(data, offset)), swift(Timestamp(content_type)), swift(Timestamp(meta))
        )
        expected = tuple(Timestamp.parse(each.internal) for each in decode_timestamps(encoded))
        assert decode_row_timestamps(encoded) == expected

    @many
    @given(raws, offsets, st.integers(-5, 5), st.integers(-5, 5), st.booleans())
    def test_decode_of_small_differences_equals_that_of_swift(
        self, data: int, offset: int, first: int, second: int, explicit: bool
    ) -> None:
        stamps = (data, max(0, data + first), max(0, data + first + second))
        encoded = encode_timestamps(
            swift(Timestamp(stamps[0], offset)),
            *(swift(Timestamp(min(raw, MAX_RAW))) for raw in stamps[1:]),
            explicit=explicit,
        )
        expected = tuple(Timestamp.parse(each.internal) for each in decode_timestamps(encoded))
        assert decode_row_timestamps(encoded) == expected

    def test_decode_of_one_timestamp_gives_it_three_times(self) -> None:
        stamp = Timestamp.parse("1402464677.04188_00000000000000a1")
        assert decode_row_timestamps("1402464677.04188_a1") == (stamp, stamp, stamp)

    def test_decode_of_later_meta_timestamp_drops_the_offset_of_data(self) -> None:
        data, content_type, meta = decode_row_timestamps("1402464677.04188_1+0+2")
        assert data == content_type == Timestamp(140246467704188, 1)
        assert meta == Timestamp(140246467704190, 0)

    @pytest.mark.parametrize("text", ["", "x+1", "1402464677.04188+", "1402464677.04188+zz"])
    def test_decode_of_malformed_field_raises_value_error(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011
            decode_row_timestamps(text)


class TestDates:
    @given(st.integers(0, 4_000_000_000))
    @settings(deadline=None)
    def test_parse_http_date_gives_its_seconds(self, seconds: int) -> None:
        text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
        assert parse_http_date(text) == seconds

    @pytest.mark.parametrize("text", ["", "yesterday", "2026-01-02", "Mon, 99 Foo 2026 00:00:00 GMT"])
    def test_parse_http_date_of_other_text_raises_value_error(self, text: str) -> None:
        with pytest.raises(ValueError, match="."):
            parse_http_date(text)

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("1970-01-02T00:00:00.500000", 86400.5),
            ("1970-01-02T00:00:00Z", 86400.0),
            ("1970-01-02T00:00:00.250Z", 86400.25),
            ("1970-01-02T01:00:00+01:00", 86400.0),
        ],
    )
    def test_parse_iso_date_gives_its_seconds(self, text: str, seconds: float) -> None:
        assert parse_iso_date(text) == seconds

    def test_parse_iso_date_of_other_text_raises_value_error(self) -> None:
        with pytest.raises(ValueError, match="."):
            parse_iso_date("soon")
