"""Keys: vectors that existing buckets depend on, and the way back from a key to a name."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.model.keys import KeyNamer, hash_prefix

SHA256_OF_OBJECT = "2958d416d08aa5a472d7b509036cb7eafd542add84527e66a145ea64cb4cdc75"
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("account", "container", "prefix"),
    [
        ("AUTH_account", "container", "62506b"),
        ("AUTH_test", "test", "2e122e"),
        ("account", "container", "356b9d"),
        ("AUTH_test", "archive-s3", "5dcc3"),
        ("AUTH_test", "c156", "322f"),
        ("AUTH_test", "c14991", "3d1"),
        ("verify-auth", "testing-ï", "4dbbd"),
        ("AUTH_تacct", "تcl-conn-archive", "4a46ac"),
        ("AUTH_test", "s3-restore", "2b77b2"),
    ],
)
def test_hashed_prefix_of_account_and_container_is_the_known_one(
    account: str, container: str, prefix: str
) -> None:
    assert hash_prefix(account, container) == prefix
    assert KeyNamer.hashed(account, container).key("o/ü") == f"{prefix}/{account}/{container}/o/ü"


def test_hashed_manifest_key_has_account_container_and_digest() -> None:
    namer = KeyNamer.hashed("AUTH_account", "container")
    assert namer.manifest_key("object") == (
        f"62506b/.manifests/AUTH_account/container/{SHA256_OF_OBJECT}.swift_slo_manifest"
    )


@pytest.mark.parametrize(
    ("custom_prefix", "key", "manifest"),
    [
        ("archive", "archive/object", "archive/.manifests/"),
        ("/archive/", "archive/object", "archive/.manifests/"),
        ("a//b/", "a//b/object", "a//b/.manifests/"),
        ("pre-", "pre-/object", "pre-/.manifests/"),
        ("", "object", ".manifests/"),
        ("///", "object", ".manifests/"),
    ],
)
def test_directory_key_has_the_prefix_without_outer_slashes(
    custom_prefix: str, key: str, manifest: str
) -> None:
    namer = KeyNamer.directory(custom_prefix)
    assert namer.key("object") == key
    assert namer.manifest_key("object") == f"{manifest}{SHA256_OF_OBJECT}.swift_slo_manifest"


@pytest.mark.parametrize("prefix", ["", "pre-", "/pre/", "a b/"])
def test_literal_key_has_the_prefix_unchanged(prefix: str) -> None:
    namer = KeyNamer.literal(prefix)
    assert namer.key("/object") == f"{prefix}/object"
    assert namer.manifest_key("object") == (f"{prefix}.manifests/{SHA256_OF_OBJECT}.swift_slo_manifest")


@pytest.mark.parametrize(
    "namer",
    [
        KeyNamer.hashed("AUTH_a", "c"),
        KeyNamer.directory("x"),
        KeyNamer.literal("x"),
        KeyNamer.literal(""),
    ],
    ids=["hashed", "directory", "literal", "bare"],
)
class TestNameOfKey:
    @given(name=names)
    @settings(deadline=None)
    def test_key_of_any_name_gives_that_name(self, namer: KeyNamer, name: str) -> None:
        assert namer.name(namer.key(name)) == name

    @given(name=names)
    @settings(deadline=None)
    def test_key_of_stored_manifest_gives_no_name(self, namer: KeyNamer, name: str) -> None:
        assert namer.name(namer.manifest_key(name)) is None

    def test_key_outside_the_prefix_gives_no_name(self, namer: KeyNamer) -> None:
        assert namer.name(namer.prefix) is None
        if namer.prefix:
            assert namer.name(namer.prefix[:-1]) is None
            assert namer.name(f"other/{namer.prefix}name") is None

    @pytest.mark.parametrize(
        "name",
        [
            ".manifests/notes",
            ".manifests/mine.swift_slo_manifest",
            f".manifests/{SHA256_OF_OBJECT}",
            f".manifests/sub/{SHA256_OF_OBJECT}.swift_slo_manifest",
            f"x.manifests/{SHA256_OF_OBJECT}.swift_slo_manifest",
        ],
    )
    def test_key_of_object_that_resembles_a_manifest_gives_its_name(self, namer: KeyNamer, name: str) -> None:
        assert namer.name(namer.key(name)) == name


@given(name=names)
@settings(deadline=None)
def test_manifest_key_contains_the_sha256_of_the_name(name: str) -> None:
    digest = hashlib.sha256(name.encode()).hexdigest()
    assert KeyNamer.literal("p/").manifest_key(name) == f"p/.manifests/{digest}.swift_slo_manifest"


@given(name=names)
@settings(deadline=None)
def test_manifests_have_a_namer_of_their_own(name: str) -> None:
    namer = KeyNamer.hashed("AUTH_a", "c")
    key = namer.manifests.key(name)
    assert key == namer.manifest_key(name) == namer.manifests.manifest_key(name)
    assert namer.manifests.key_spaces == (namer.manifest_prefix,)
    assert namer.manifests.name(key) == key.removeprefix(namer.manifest_prefix)
    assert namer.manifests.name(namer.manifest_prefix) is None
    assert namer.manifests.name(namer.key(name)) is None
