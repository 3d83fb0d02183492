"""What is written into Swift when an object comes back, and in which order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from s3_sync.errors import BadDigest, LocalChanged, LocalUnavailable, ObjectRefused
from s3_sync.largeobject.manifest import Manifest, multipart_etag
from s3_sync.model.objects import LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import Body, BytesBody, read_all
from s3_sync.transfer.restore import Limits, Migrated, RestoreJob, restore

NOW = Timestamp.parse("1700000000.00000")
EARLIER = Timestamp.parse("1600000000.00000")
LIMITS = Limits(max_object=100, max_segments=3, segment_size=40)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class Swift:
    """A LocalWriter that checks what Swift checks. ``fails``: path -> error of its PUT."""

    def __init__(self, **objects: bytes) -> None:
        self.objects: dict[str, bytes] = {f"c/{name}": data for name, data in objects.items()}
        self.headers: dict[str, Mapping[str, str]] = {}
        self.containers = {"c"}
        self.fails: dict[str, Exception] = {}
        self.log: list[str] = []
        self.adorned: set[str] = set()

    def put_container(self, container: str) -> None:
        self.log.append(f"PUT {container}")
        self.containers.add(container)

    def put_object(
        self, container: str, name: str, body: Body, headers: Mapping[str, str], query: str = ""
    ) -> None:
        path = f"{container}/{name}"
        self.log.append(f"PUT {path}{'?' if query else ''}{query}")
        assert headers["x-timestamp"] == NOW.internal
        assert container in self.containers | {path.partition("/")[0] for path in self.objects}
        if headers.get("if-none-match") == "*" and path in self.objects:
            raise LocalChanged(path)
        data = read_all(body)
        if path in self.fails:
            raise self.fails[path]
        if "etag" in headers and md5(data) != headers["etag"]:
            raise BadDigest(path)
        if query:
            entries = json.loads(data)
            parts = [self.objects[entry["path"].lstrip("/")] for entry in entries]
            assert [md5(part) for part in parts] == [entry["etag"] for entry in entries]
            data = b"".join(parts)
        self.objects[path] = data
        self.headers[path] = headers

    def find(self, container: str, name: str) -> LocalInfo | None:
        path = f"{container}/{name}"
        if path not in self.objects:
            return None
        data = self.objects[path]
        meta = ObjectMeta(user={"colour": "red"} if path in self.adorned else {})
        time = NOW if path in self.headers else EARLIER
        return LocalInfo(name, len(data), md5(data), meta=meta, data_timestamp=time, timestamp=time)

    def delete_object(self, container: str, name: str, timestamp: Timestamp) -> None:
        assert timestamp == NOW.after()
        self.log.append(f"DELETE {container}/{name}")
        self.objects.pop(f"{container}/{name}", None)


def manifest_of(*segments: tuple[str, bytes]) -> Manifest:
    entries = [{"name": f"/{path}", "bytes": len(data), "hash": md5(data)} for path, data in segments]
    return Manifest.parse(json.dumps(entries).encode())


def run(
    swift: Swift,
    data: bytes,
    manifest: Manifest | None = None,
    allowed: tuple[str, ...] = (),
    **info: Any,
) -> None:
    fields = {"md5": md5(data), "size": len(data), "meta": ObjectMeta({"content-type": "a/b"}, {"k": "v"})}
    described = ObjectInfo("o", **{**fields, **info})
    restore(swift, RestoreJob("c", described, manifest, NOW, allowed=allowed), BytesBody(data), LIMITS)


def test_plain_object_is_restored_by_one_conditional_put() -> None:
    swift = Swift()
    run(swift, b"x" * 100)
    assert swift.objects == {"c/o": b"x" * 100}
    assert swift.headers["c/o"] == {
        "content-type": "a/b",
        "x-object-meta-k": "v",
        "x-timestamp": NOW.internal,
        "if-none-match": "*",
        "etag": md5(b"x" * 100),
    }


def test_restore_over_an_existing_object_raises_local_changed() -> None:
    swift = Swift(o=b"client's")
    with pytest.raises(LocalChanged):
        run(swift, b"x")
    assert swift.objects == {"c/o": b"client's"}


@pytest.mark.parametrize("size", [10, 0, 101])
def test_restore_without_a_known_md5_is_refused(size: int) -> None:
    with pytest.raises(ObjectRefused, match="must hash to"):
        run(Swift(), b"x" * size, md5=None)


@pytest.mark.parametrize(("size", "sizes"), [(101, [40, 40, 21]), (120, [40, 40, 40])])
def test_object_beyond_max_object_is_restored_as_an_slo(size: int, sizes: list[int]) -> None:
    swift = Swift()
    data = bytes(range(size))
    meta = ObjectMeta(marks={"swift-timestamp": "1600000000.00001", "x-delete-at": "1800000000"})
    run(swift, data, meta=meta)
    names = [f"c_segments/o/1600000000.00001/{size}/40/{number:08d}" for number in range(1, len(sizes) + 1)]
    assert swift.log == [
        "PUT c_segments",
        *(f"PUT {name}" for name in names),
        "PUT c/o?multipart-manifest=put",
    ]
    assert [len(swift.objects[name]) for name in names] == sizes
    assert swift.objects["c/o"] == data
    assert swift.headers[names[0]]["x-delete-at"] == "1800000000"


@pytest.mark.parametrize(("size", "sizes"), [(150, [50, 50, 50]), (300, [100, 100, 100])])
def test_restore_enlarges_segments_to_stay_within_max_segments(size: int, sizes: list[int]) -> None:
    swift = Swift()
    run(swift, b"x" * size)
    assert swift.objects.pop("c/o") == b"x" * size
    assert [len(data) for data in swift.objects.values()] == sizes
    assert f"/{size}/{sizes[0]}/00000001" in next(iter(swift.objects))


def test_object_larger_than_swift_can_hold_is_refused() -> None:
    swift = Swift()
    with pytest.raises(ObjectRefused, match="cannot hold 301 bytes"):
        run(swift, b"x" * 301)
    assert swift.log == []


def test_large_object_without_slo_support_is_refused() -> None:
    swift = Swift()
    limits = Limits(max_object=100, max_segments=0, segment_size=40)
    large = ObjectInfo("o", 101, md5=md5(b"x" * 101), meta=ObjectMeta())
    with pytest.raises(ObjectRefused):
        restore(swift, RestoreJob("c", large, None, NOW), BytesBody(b"x" * 101), limits)
    manifest = manifest_of(("s/one", b"1" * 60))
    slo = ObjectInfo("o", 60, md5=None, meta=ObjectMeta())
    with pytest.raises(ObjectRefused):
        restore(swift, RestoreJob("c", slo, manifest, NOW), BytesBody(b"1" * 60), limits)
    assert swift.log == []


def test_wrong_bytes_remove_the_segments_already_written() -> None:
    swift = Swift()
    with pytest.raises(BadDigest):
        run(swift, b"x" * 120, md5=md5(b"y"))
    assert swift.objects == {}


class TestRestoreByManifest:
    ONE, TWO = ("c_segments/one", b"1" * 60), ("c+segments/two", b"2" * 50)
    DATA = b"1" * 60 + b"2" * 50

    def test_segments_are_written_before_the_manifest(self) -> None:
        swift = Swift()
        run(swift, self.DATA, manifest_of(self.ONE, self.TWO))
        assert swift.log == [
            "PUT c_segments",
            "PUT c_segments/one",
            "PUT c+segments",
            "PUT c+segments/two",
            "PUT c/o?multipart-manifest=put",
        ]
        assert swift.objects["c/o"] == self.DATA
        assert swift.headers["c/o"]["if-none-match"] == "*"

    def test_repeated_segment_is_written_once_and_an_empty_one_never(self) -> None:
        swift = Swift()
        manifest = manifest_of(self.ONE, ("c_segments/empty", b""), self.ONE)
        run(swift, b"1" * 120, manifest)
        assert swift.objects == {"c_segments/one": b"1" * 60, "c/o": b"1" * 120}

    @pytest.mark.parametrize("adorned", [True, False])
    def test_existing_segments_survive_a_failed_restore(self, adorned: bool) -> None:
        swift = Swift()
        swift.objects["c_segments/one"] = b"1" * 60
        swift.adorned = {"c_segments/one"} if adorned else set()
        swift.fails["c+segments/two"] = LocalUnavailable("no")
        with pytest.raises(LocalUnavailable):
            run(swift, self.DATA, manifest_of(self.ONE, self.TWO))
        assert swift.objects == {"c_segments/one": b"1" * 60}
        assert "DELETE c_segments/one" not in swift.log
        # without metadata of its own it may be about to be deleted with what was moved: it gets younger
        assert ("PUT c_segments/one" in swift.log) is not adorned
        swift.fails.clear()
        run(swift, self.DATA, manifest_of(self.ONE, self.TWO))
        assert swift.objects["c/o"] == self.DATA

    def test_segment_name_taken_by_other_bytes_raises_local_changed(self) -> None:
        swift = Swift()
        swift.objects["c+segments/two"] = b"somebody else's"
        with pytest.raises(LocalChanged):
            run(swift, self.DATA, manifest_of(self.ONE, self.TWO))
        assert swift.objects == {"c+segments/two": b"somebody else's"}

    def test_segment_name_taken_during_the_restore_raises_local_changed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        swift = Swift()
        swift.objects["c+segments/two"] = b"somebody else's"
        find = swift.find
        monkeypatch.setattr(swift, "find", lambda c, name: None if name == "two" else find(c, name))
        with pytest.raises(LocalChanged):
            run(swift, self.DATA, manifest_of(self.ONE, self.TWO))
        assert swift.objects == {"c+segments/two": b"somebody else's"}

    @pytest.mark.parametrize("path", ["c_segments/one", "c+segments/two", "c/o"])
    def test_failed_put_leaves_no_segments(self, path: str) -> None:
        swift = Swift()
        swift.fails[path] = ObjectRefused("local_refused", "413")
        with pytest.raises(ObjectRefused):
            run(swift, self.DATA, manifest_of(self.ONE, self.TWO))
        assert swift.objects == {}

    def test_wrong_bytes_of_an_existing_segment_raise_bad_digest(self) -> None:
        swift = Swift()
        swift.objects["c_segments/one"] = b"1" * 60
        with pytest.raises(BadDigest):
            run(swift, b"x" + self.DATA[1:], manifest_of(self.ONE, self.TWO))

    def test_too_many_segments_are_joined_into_larger_ones(self) -> None:
        swift = Swift()
        segments = [(f"c+segments/{number}", bytes([number]) * 20) for number in range(4)]
        data = b"".join(each for _, each in segments)
        run(swift, data, manifest_of(*segments), md5=None)
        assert swift.objects["c/o"] == data
        assert swift.log[1:3] == [f"PUT c+segments/o/0000000000.00000/80/40/{n:08d}" for n in (1, 2)]

    def test_wrong_bytes_of_joined_segments_raise_bad_digest(self) -> None:
        swift = Swift()
        segments = [(f"c_segments/{number}", bytes([number]) * 20) for number in range(4)]
        data = b"".join(each for _, each in segments)
        for wrong in (0, 39, 79):
            changed = data[:wrong] + b"!" + data[wrong + 1 :]
            with pytest.raises(BadDigest):
                run(swift, changed, manifest_of(*segments), md5=None)
            assert swift.objects == {}

    def test_too_many_segments_in_two_containers_are_refused(self) -> None:
        swift = Swift()
        segments = [
            (f"{place}/{n}", bytes([n]) * 20) for n, place in enumerate(("c", "c", "c", "c_segments"))
        ]
        with pytest.raises(ObjectRefused, match="in 2 containers"):
            run(swift, b"".join(each for _, each in segments), manifest_of(*segments))
        assert (swift.objects, swift.log) == ({}, [])

    def test_restore_into_a_foreign_container_writes_nothing(self) -> None:
        for foreign in ("private/two", "d_segments/two"):
            swift = Swift()
            with pytest.raises(ObjectRefused, match=foreign.partition("/")[0]) as refused:
                run(swift, self.DATA, manifest_of(self.ONE, (foreign, b"2" * 50)))
            assert (refused.value.reason, swift.log, swift.objects) == ("segments_elsewhere", [], {})

    def test_restore_into_an_allowed_container_writes_there(self) -> None:
        for allowed in (("private",), ("*",)):
            swift = Swift()
            run(swift, self.DATA, manifest_of(self.ONE, ("private/two", b"2" * 50)), allowed=allowed)
            assert swift.objects["c/o"] == self.DATA

    def test_small_slo_with_too_many_segments_keeps_their_container(self) -> None:
        """As one object in the container of the manifest, others could read them."""
        swift = Swift()
        segments = [(f"c_segments/{number}", bytes([number])) for number in range(4)]
        run(swift, b"".join(each for _, each in segments), manifest_of(*segments))
        assert {path.partition("/")[0] for path in swift.objects} == {"c", "c_segments"}
        assert "PUT c/o?multipart-manifest=put" in swift.log


class TestMigrated:
    """Objects at the source of a migration."""

    MARKED: ClassVar = {"x-timestamp": NOW.internal, "owner": "o"}
    PARTS = (b"a" * 30, b"b" * 30, b"c" * 5)

    def restore(self, swift: Swift, data: bytes, *, manifest: Manifest | None = None, **more: Any) -> None:
        etag = multipart_etag(md5(part) for part in self.PARTS)
        info = ObjectInfo("o", len(data), etag=etag, meta=ObjectMeta({"content-type": "a/b"}))
        migrated = Migrated(NOW, self.MARKED, **more)
        job = RestoreJob("c", info, manifest, NOW, migrated=migrated)
        restore(swift, job, BytesBody(data), LIMITS)

    def test_parts_become_segments_that_are_named_by_the_first_one(self) -> None:
        swift, data = Swift(), b"".join(self.PARTS)
        self.restore(swift, data, part_size=30)
        base = f"c_segments/o/{NOW.normal}/{len(data)}/30"
        assert {path for path in swift.objects if "/0" in path} == {f"{base}/{n:08d}" for n in (1, 2, 3)}
        assert swift.objects["c/o"] == data

    def test_parts_that_do_not_make_the_etag_leave_nothing(self) -> None:
        swift = Swift()
        with pytest.raises(BadDigest):
            self.restore(swift, b"".join(self.PARTS), part_size=31)
        assert swift.objects == {}

    def test_parts_that_swift_cannot_hold_are_refused(self) -> None:
        for size in (101, 10):
            with pytest.raises(ObjectRefused) as refused:
                self.restore(Swift(), b"".join(self.PARTS), part_size=size)
            assert refused.value.reason == "too_large"

    def test_segments_that_the_source_has_stay_when_the_manifest_fails(self) -> None:
        swift = Swift()
        swift.fails["c/o"] = LocalUnavailable("no")
        manifest = manifest_of(("c_segments/one", b"1"), ("c_segments/two", b"2"))
        with pytest.raises(LocalUnavailable):
            self.restore(swift, b"12", manifest=manifest)
        assert swift.objects == {"c_segments/one": b"1", "c_segments/two": b"2"}
        assert [swift.headers[path]["owner"] for path in swift.objects] == ["o", "o"]
        assert not any(line.startswith("DELETE") for line in swift.log)

    def test_segments_that_were_migrated_before_are_left_alone(self) -> None:
        swift = Swift()
        swift.objects["c_segments/one"] = b"1"
        self.restore(swift, b"12", manifest=manifest_of(("c_segments/one", b"1"), ("c_segments/two", b"2")))
        assert "PUT c_segments/one" not in swift.log
        assert swift.objects["c/o"] == b"12"
