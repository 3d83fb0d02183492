"""What two mappings can do to each other."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.load import Loaded, load
from s3_sync.model.keys import hash_prefix

KEYS = {"aws_identity": "id", "aws_secret": "key"}


def mapping(container: str, bucket: str = "bucket", prefix: str | None = None, **more: Any) -> dict[str, Any]:
    written = {"account": "AUTH_a", "container": container, "aws_bucket": bucket, **KEYS, **more}
    return written if prefix is None else {**written, "custom_prefix": prefix}


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    def loaded(*mappings: dict[str, Any], **top: Any) -> Loaded:
        path = tmp_path / "sync.json"
        content = {"devices": str(tmp_path), "items_chunk": 1, "status_dir": str(tmp_path / "status")}
        path.write_text(json.dumps({**content, "containers": mappings, **top}))
        path.chmod(0o600)
        return load(path)

    return loaded


def usable(result: Loaded) -> list[str]:
    assert result.settings
    return [mapping.container for mapping in result.settings.mappings]


LITERAL = {"prefix_join": "literal"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (mapping("a"), mapping("a")),
        (mapping("a", prefix="p"), mapping("b", prefix="/p/")),
        (mapping("a", prefix=""), mapping("b", prefix="p")),
        (mapping("a", prefix=""), mapping("b")),
        (mapping("a", prefix="p"), mapping("b", prefix="p/q")),
        (mapping("a", prefix="p", **LITERAL), mapping("b", prefix="pq/", **LITERAL)),
        (mapping("a", prefix="p"), mapping("b", prefix="p/.manifests")),
        # the hashed prefix's manifests lie beside its objects
        (mapping("a"), mapping("b", prefix=f"{hash_prefix('AUTH_a', 'a')}/.manifests/AUTH_a")),
        (
            mapping("a", prefix="p"),
            mapping("b", prefix="p", aws_endpoint="https://s3.eu-west-1.amazonaws.com"),
        ),
    ],
)
def test_overlapping_key_prefixes_second_mapping_is_refused(loaded: Any, one: Any, other: Any) -> None:
    for first, second in ((one, other), (other, one)):
        result = loaded(first, second)
        [problem] = result.problems
        assert problem.place == "containers[1]"
        assert problem.message.startswith(f"AUTH_a/{second['container']} stores under ")
        assert f"containers[0] (AUTH_a/{first['container']})" in problem.message
        assert problem.message.partition(" in bucket ")[2].startswith('"bucket", which overlaps with "')
        assert usable(result) == [first["container"]]


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        (mapping("/*"), True),
        (mapping("/*", bucket="elsewhere"), False),
        (mapping("/*", account="AUTH_b"), False),
        (mapping("a", prefix=""), True),
        (mapping("a", prefix="1f"), True),  # a literal prefix may end within a hash
        (mapping("a", prefix="public/"), False),
        (mapping("a", prefix="1f/AUTH_a"), True),
        (mapping("a", prefix="1f/AUTH_b"), False),
        (mapping("a", prefix="1f/.manifests/AUTH_a/other"), True),
        (mapping("a", account="AUTH_b"), False),
        (mapping("a", prefix=f"{hash_prefix('AUTH_a', 'b')}/AUTH_a/b"), True),
    ],
)
def test_account_mapping_overlaps_only_prefixes_its_keys_can_have(
    loaded: Any, other: Any, meets: bool
) -> None:
    for first, second in ((mapping("/*"), other), (other, mapping("/*"))):
        other = {**other, **({"prefix_join": "literal"} if other.get("custom_prefix") == "1f" else {})}
        result = loaded(first, second)
        assert [problem.place for problem in result.problems] == (["containers[1]"] if meets else [])
        if meets:
            assert '"<hash>/AUTH_a/<container>/"' in result.problems[0].message


MOVES = {"retain_local": False, "merge_namespaces": True, "copy_after": 86400}


TWICE = "AUTH_a/a is copied twice, by containers[0] (AUTH_a/*) and by this mapping"
REPLACES = "replaces containers[0] (AUTH_a/*) for AUTH_a/a:"
MOVED_BY_OWN = "a container is moved by its own mapping only"


@pytest.mark.parametrize(
    ("whole", "own", "told"),
    [
        (mapping("/*"), mapping("a", bucket="elsewhere"), TWICE),
        (mapping("/*"), mapping("a"), f"{REPLACES} both would write the same keys"),
        (mapping("/*", **MOVES), mapping("a", "elsewhere"), f"{REPLACES} {MOVED_BY_OWN}"),
    ],
)
def test_container_mapping_beside_account_mapping_gives_a_warning(
    loaded: Any, whole: Any, own: Any, told: str
) -> None:
    result = loaded(whole, own, mapping("b", account="AUTH_b"))
    assert result.problems == ()
    assert [str(warning) for warning in result.warnings] == [
        f"containers[1]: {told}; cloud-shunt uses this mapping"
    ]


def test_moving_mapping_beside_copying_account_mapping_gives_warnings(loaded: Any) -> None:
    result = loaded(mapping("/*"), mapping("a", bucket="archive", **MOVES))
    assert [str(warning) for warning in result.warnings] == [
        (
            "containers[0]: containers[1] moves objects out of the same container: objects that it "
            "moves first are not copied by this mapping"
        ),
        f"containers[1]: {TWICE}; cloud-shunt uses this mapping",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (mapping("a"), mapping("b")),
        (mapping("a"), mapping("a", bucket="elsewhere")),
        (mapping("a"), mapping("a", aws_endpoint="https://clone")),
        (mapping("a", prefix="p"), mapping("b", prefix="pq")),
        (mapping("a", prefix="p/"), mapping("b", prefix="q/")),
        (mapping("a", prefix="p"), mapping("b", prefix="p", region="cn-north-1")),
        (
            mapping("a", prefix="p", aws_endpoint="http://h:1"),
            mapping("b", prefix="p", aws_endpoint="http://h:2"),
        ),
    ],
)
def test_mappings_without_common_keys_are_both_usable(loaded: Any, one: Any, other: Any) -> None:
    result = loaded(one, other)
    assert result.problems == ()
    assert len(usable(result)) == 2


def test_overlap_with_invalid_mapping_leaves_the_other_usable(loaded: Any) -> None:
    result = loaded(mapping("a", prefix="p", sync_container_metadata=True), mapping("b", prefix="p/q"))
    places = [problem.place for problem in result.problems]
    assert places == ["containers[0].sync_container_metadata", "containers[0]"]
    assert usable(result) == ["b"]


def test_overlap_with_refused_mapping_does_not_refuse_another(loaded: Any) -> None:
    result = loaded(
        *(mapping(f"c{index}", prefix=p) for index, p in enumerate(["p/q", "p", "z", "p/r", "p/q/s"]))
    )
    assert [problem.place for problem in result.problems] == ["containers[1]", "containers[4]"]
    assert usable(result) == ["c0", "c2", "c3"]


def test_overlap_check_of_5000_mappings_takes_seconds(loaded: Any) -> None:
    started = time.perf_counter()
    result = loaded(
        *(mapping(f"c{index}", prefix=f"p{index}/") for index in range(5000)), mapping("x", prefix="p7/x")
    )
    assert [problem.place for problem in result.problems] == ["containers[5000]"]
    assert time.perf_counter() - started < 15  # compared in pairs it would be minutes


def test_mappings_in_a_circle_give_a_warning_each(loaded: Any) -> None:
    clone = {"aws_endpoint": "https://s3.example.org"}
    result = loaded(mapping("a", "b", **clone), mapping("b", "c", **clone), mapping("c", "a", **clone))
    assert [str(warning) for warning in result.warnings] == [
        f"containers[{index}]: if https://s3.example.org is this cluster's own, objects are copied "
        f"in a loop: {path}"
        for index, path in enumerate(["a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"])
    ]
    assert result.problems == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.5"])
def test_container_copied_into_itself_on_this_node_gives_a_warning(loaded: Any, host: str) -> None:
    result = loaded(mapping("a", "a", aws_endpoint=f"http://{host}:8080"), swift_bind_ip="10.0.0.5")
    [warning] = result.warnings
    assert warning.message.endswith("objects are copied in a loop: a -> a")


@pytest.mark.parametrize(
    "mappings",
    [
        [mapping("a", "a", aws_endpoint="https://s3.example.org")],
        [mapping("a", "b"), mapping("b", "a")],
        [mapping("a", "b", aws_endpoint="http://one"), mapping("b", "a", aws_endpoint="http://two")],
        [mapping("a", "b", aws_endpoint="http://one"), mapping("b", "c", aws_endpoint="http://one")],
        [mapping("x", "a", aws_endpoint="http://one"), mapping("a", "a", aws_endpoint="http://one")],
    ],
)
def test_mappings_without_a_circle_give_no_warning(loaded: Any, mappings: Any) -> None:
    assert loaded(*mappings).warnings == ()


def test_cloud_shunt_options_without_prerequisite_give_warnings(loaded: Any) -> None:
    on = {"restore_on_range": True, "protect_containers": True, "archive_restore": {}}
    result = loaded(mapping("a", **on), mapping("b", merge_namespaces=True, restore_object=True, **on))
    assert [str(warning) for warning in result.warnings] == [
        "containers[0].restore_on_range: has no effect without restore_object",
        "containers[0].archive_restore: has no effect without merge_namespaces",
        "containers[0].protect_containers: has no effect without merge_namespaces",
    ]


@pytest.mark.parametrize(
    ("tier", "storage_class", "is_told"),
    [
        ("Expedited", "DEEP_ARCHIVE", True),
        ("Expedited", "GLACIER", False),
        ("Bulk", "DEEP_ARCHIVE", False),
    ],
)
def test_a_tier_that_the_storage_class_lacks_is_told(
    loaded: Any, tier: str, storage_class: str, is_told: bool
) -> None:
    options = {"archive_restore": {"tier": tier}, "storage_class": storage_class, "merge_namespaces": True}
    warnings = [str(warning) for warning in loaded(mapping("a", **options)).warnings]
    assert any("archive_restore: Expedited does not exist" in warning for warning in warnings) is is_told


class TestMovingMappings:
    def test_without_merged_namespaces_each_gives_one_warning(self, loaded: Any) -> None:
        result = loaded(mapping("a", retain_local=False), mapping("b"), mapping("c", retain_local=False))
        assert result.problems == ()
        warnings = [each for each in result.warnings if "are removed from this cluster" in each.message]
        assert [each.place for each in warnings] == ["containers[0]", "containers[2]"]
        assert "AUTH_a/a" in warnings[0].message
        assert "cloud-shunt" in warnings[0].message

    def test_with_merged_namespaces_gives_no_warning(self, loaded: Any) -> None:
        assert loaded(mapping("a", retain_local=False, merge_namespaces=True)).warnings == ()

    @pytest.mark.parametrize(
        ("changes", "warned"),
        [
            ({}, True),
            ({"copy_after": 299}, True),
            ({"copy_after": 300}, False),
            ({"conditional_put": True}, False),
            ({"aws_endpoint": None}, False),
            ({"retain_local": True}, False),
        ],
    )
    def test_short_delay_without_conditional_put_gives_a_warning(
        self, loaded: Any, changes: dict[str, Any], warned: bool
    ) -> None:
        moving = {"retain_local": False, "merge_namespaces": True, "aws_endpoint": "https://s3.example.org"}
        places = [each.place for each in loaded(mapping("a", **{**moving, **changes})).warnings]
        assert places == (["containers[0].copy_after"] if warned else [])

    @pytest.mark.parametrize(
        ("retain", "checksum", "warned"), [(False, "none", 1), (False, "md5", 0), (True, "none", 0)]
    )
    def test_move_without_checksum_gives_a_warning(
        self, loaded: Any, retain: bool, checksum: str, warned: int
    ) -> None:
        one = mapping("a", retain_local=retain, merge_namespaces=True, checksum=checksum)
        assert [each.place for each in loaded(one).warnings] == ["containers[0].checksum"] * warned

    @pytest.mark.parametrize("container", ["c_segments", "c+segments"])
    def test_move_of_segment_container_is_refused(self, loaded: Any, container: str) -> None:
        result = loaded(mapping(container, retain_local=False), mapping("b"))
        [problem] = result.problems
        assert problem.place == "containers[0]"
        assert "segments" in problem.message
        assert usable(result) == ["b"]
        assert not any("are removed from this cluster" in each.message for each in result.warnings)
        assert usable(loaded(mapping(container))) == [container]

    def test_move_beside_another_mapping_of_the_container_gives_a_warning(self, loaded: Any) -> None:
        result = loaded(mapping("a", retain_local=False), mapping("a", bucket="other"))
        assert len(usable(result)) == 2
        [warning] = [each for each in result.warnings if "same container" in each.message]
        assert warning.place == "containers[1]"
        assert warning.message.startswith("containers[0] moves")


class TestRemoteDeleteAfter:
    def test_warning_names_affected_keys_and_whole_days(self, loaded: Any) -> None:
        day = 86400
        result = loaded(
            mapping("a", remote_delete_after=30 * day),
            mapping("b", bucket="own", prefix="", remote_delete_after=30 * day + 1),
            mapping("c"),
        )
        assert result.problems == ()
        first, second = (each.message for each in result.warnings)
        assert result.warnings[0].place == "containers[0].remote_delete_after"
        assert "/AUTH_a/a/" in first
        assert " 30 days after" in first
        assert "EVERYTHING, also foreign objects," in second
        assert " 31 days (rounded up to whole days) after" in second
        assert [each.profile.remote_days for each in result.settings.mappings] == [30, 31, 0]

    def test_mapping_at_a_store_without_rules_is_refused(self, loaded: Any) -> None:
        storj = {"store": "storj"}
        result = loaded(mapping("a", remote_delete_after=86400, **storj), mapping("b", **storj))
        [problem] = result.problems
        assert problem.place == "containers[0].remote_delete_after"
        assert usable(result) == ["b"]

    def test_mapping_at_google_is_taken(self, loaded: Any) -> None:
        google = {"aws_endpoint": "https://storage.googleapis.com"}
        assert loaded(mapping("a", remote_delete_after=86400, **google)).problems == ()
