"""Names of files for keys: reversible, one for each key, and legal wherever they are used."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.names import NAMES
from s3_sync.providers.file.names import MORE, SHADOW, entry_of, is_canonical, names_of, path_of
from s3_sync.providers.file.share import LOCKS, MARKER, METADATA, TEMPORARY, UPLOADS

#: characters that some share changes, refuses, or takes for others, among ordinary ones
ODD = (
    "aA b.%:+@_=09\u00fcU\u0308\u017fs\u0130\u0131i\u212ak\u1100\u1161\uac00\u3042\u304c\u3099\u6f22\n\x7f\\<"
)
parts = st.one_of(
    st.text(st.sampled_from(ODD)), st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]))
)
keys = st.one_of(st.text(st.sampled_from(ODD + "/"), max_size=400), st.lists(parts, min_size=1).map("/".join))


def key_of(path: tuple[str, ...], portable: bool) -> str:
    """What a walk through directories makes of these names."""
    found, text, before = [], "", ()
    for name in path:
        entry = entry_of(name, portable)
        assert entry is not None
        assert not entry.shadow
        text, before = text + entry.text, (*before, name)
        if not entry.more:
            assert is_canonical(text, before, portable)
            found.append(text)
            text, before = "", ()
    return "/".join(found)


@given(keys, st.booleans())
def test_path_of_any_key_leads_back_to_it_and_is_legal(key: str, portable: bool) -> None:
    path = path_of(key, portable)
    assert key_of(path, portable) == key
    for name in path:
        assert 0 < len((name + SHADOW).encode()) <= 255
        assert name not in (".", "..")
        assert "/" not in name
        assert not re.search("[\0-\x1f\x7f]", name)
        assert not name.startswith(".nfs")
        assert name not in (MARKER, TEMPORARY, UPLOADS, LOCKS, METADATA)
        assert not name.endswith(SHADOW)


def on_a_share(name: str) -> set[str]:
    """What the strangest share there is could take the name for."""
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    return {change(form) for form in forms for change in (str.lower, str.upper, str.casefold)}


@given(keys, st.data())
def test_portable_names_of_two_keys_are_two_on_every_share(one: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(sorted(on_a_share(one))))
    if one != other:
        here, there = ["/".join(path_of(key, portable=True)) for key in (one, other)]
        assert not on_a_share(here) & on_a_share(there)


@given(keys)
def test_portable_name_is_unchanged_and_has_nothing_that_is_reserved(key: str) -> None:
    for name in path_of(key, portable=True):
        assert {unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")} == {name}
        assert not re.search(r'[<>:"|?*\\]', name)
        assert not name.endswith((".", " "))
        assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d) *(\..*)?", name, re.IGNORECASE)


@pytest.mark.parametrize(
    ("key", "exact", "portable"),
    [
        ("photos/IMG_1.jpg", "photos/IMG_1.jpg", "photos/%=7=IMG_1.jpg"),
        ("caf\u00e9/\u6f22.txt", "caf\u00e9/\u6f22.txt", "caf%C3%A9/\u6f22.txt"),
        ("100%", "100%25", "100%25"),
        ("a//b/", "a/%_/b/%_", "a/%_/b/%_"),
        ("./..", "%2E/%2E%2E", "%2E/%2E%2E"),
        (".hidden", ".hidden", ".hidden"),
        (".nfs0001", "%2Enfs0001", "%2Enfs0001"),
        ("a:b?", "a:b?", "a%3Ab%3F"),
        ("nul.txt", "nul.txt", "%6Eul.txt"),
        ("end. ", "end. ", "end.%20"),
    ],
)
def test_names_are_those_of_the_key_wherever_they_can_be(key: str, exact: str, portable: str) -> None:
    assert ("/".join(path_of(key, False)), "/".join(path_of(key, True))) == (exact, portable)


def test_part_that_is_too_long_goes_on_in_directories() -> None:
    assert names_of("x" * 500, False) == ("x" * 240 + MORE, "x" * 240 + MORE, "x" * 20)
    assert names_of("x" * 240, False) == ("x" * 240,)


@pytest.mark.parametrize(
    "name", ["%", "%zz", "a%", "%2", "%2e", "%41", "%tmp", "%ff", "\udcff", "%+", "%=1=a", "a%5f"]
)
def test_name_that_no_key_has_is_none(name: str) -> None:
    """Users of a share may write anything."""
    entry = entry_of(name, False)
    assert entry is None or not is_canonical(entry.text, (name,), False)


@pytest.mark.parametrize("name_id", NAMES)
@pytest.mark.parametrize("portable", [False, True])
def test_hostile_name_leads_back_to_itself(name_id: str, portable: bool) -> None:
    assert key_of(path_of(NAMES[name_id], portable), portable) == NAMES[name_id]
