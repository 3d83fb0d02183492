"""Large objects on their way to another Swift, where they are large objects again."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import Any

import pytest

from servers.daemon import NewDaemon
from servers.large import SegmentFile
from servers.swift import SwiftCluster
from servers.swift_large import SwiftLarge


class Mirror:
    """A mapping with large objects, and its daemon."""

    def __init__(self, cluster: SwiftCluster, new_daemon: NewDaemon, **options: Any) -> None:
        self.cluster = cluster
        self.large = SwiftLarge(cluster, **options)
        self.pair = self.large.pair
        self.daemon = new_daemon(self.pair, cluster=cluster)

    def run(self, code: int = 0) -> Counter[str]:
        """One run; what it sent to the other account, by method and kind of place."""
        with self.cluster.count_requests() as count:
            done = self.daemon.once()
        assert done.returncode == code, self.daemon.log_text()
        found: Counter[str] = Counter()
        for each in count.requests:
            if each.server == "proxy" and f"/{self.large.there.account}/" in each.path:
                where = "segments" if f"{self.large.segments}/" in each.path else "objects"
                found[f"{each.method} {where}"] += each.status < 400
        return found

    def compare_again(self) -> Counter[str]:
        """As after the loss of all progress; what was written."""
        shutil.rmtree(self.daemon.status_dir)
        sent = self.run()
        return Counter({what: n for what, n in sent.items() if what.startswith(("PUT", "POST")) and n})

    def three(self) -> list[SegmentFile]:
        sizes = {"1": 9000, "ü %41": 70_000, "3": 7}
        return [self.large.segment(f"s/{name}", size) for name, size in sizes.items()]

    def named(self, *segments: SegmentFile) -> list[tuple[str, int, str]]:
        return [(f"/{self.large.segments}/{each.name}", len(each.body), each.md5) for each in segments]

    def segment_names(self) -> list[str]:
        return self.large.names(self.large.segments)


@pytest.fixture
def mirror(swift: SwiftCluster, new_daemon: NewDaemon) -> Mirror:
    return Mirror(swift, new_daemon)


def test_slo_and_dlo_are_what_they_were(mirror: Mirror) -> None:
    first, second, third = mirror.three()
    mirror.large.put_slo(
        "slo/ü", [first, second, first], {"X-Object-Meta-Colour": "blü", "Content-Type": "text/x"}
    )
    mirror.large.put_slo("shares", [third, second])
    mirror.large.put_dlo("dlo", "s/", {"X-Object-Meta-Colour": "rot"})
    mirror.large.put_dlo("empty", "none/")
    sent = mirror.run()
    # each segment once, whatever names it, and in whichever order
    assert mirror.segment_names() == sorted(["s/1", "s/3", "s/ü %41"])
    assert sent["PUT segments"] == 3
    mirror.large.check_there("slo/ü", "shares", "dlo", "empty")
    assert mirror.large.manifest_there("slo/ü") == mirror.named(first, second, first)
    header = mirror.large.read("dlo", "multipart-manifest=get").headers["x-object-manifest"]
    assert header == f"{mirror.large.segments}/s/"
    assert mirror.compare_again() == {}


def test_changes_send_what_has_changed(mirror: Mirror) -> None:
    first, second, third = mirror.three()
    mirror.large.put_slo("slo", [first, second])
    mirror.large.put_dlo("dlo", "s/")
    mirror.run()
    mirror.pair.post("slo", {"X-Object-Meta-Colour": "blü"})
    mirror.pair.post("dlo", {"X-Object-Meta-Colour": "rot", **mirror.large.dlo_header("s/")})
    assert mirror.run() == {"HEAD objects": 4, "GET objects": 1, "POST objects": 2}
    mirror.large.check_there("slo", "dlo")
    changed = mirror.large.segment("s/1", 500)
    fourth = mirror.large.segment("s/4", 300)
    mirror.large.put_slo("slo", [changed, third])
    mirror.pair.post("dlo", {"X-Object-Meta-Colour": "rot", **mirror.large.dlo_header("s/")})
    sent = mirror.run()
    assert sent["PUT segments"] == 2
    mirror.large.check_there("slo", "dlo")
    assert mirror.large.manifest_there("slo") == mirror.named(changed, third)
    assert fourth.name in mirror.segment_names()


def test_slo_of_a_thousand_segments_is_sent_by_ten_workers(mirror: Mirror) -> None:
    """They are 60 objects: each is sent once. More is what slo does not take by default."""
    segments = [mirror.large.segment(f"{number:03}", 10 + number) for number in range(60)]
    given = [segments[number % 60] for number in range(1000)]
    mirror.large.put_slo("slo", given)
    assert mirror.run()["PUT segments"] == 60
    assert mirror.large.manifest_there("slo") == mirror.named(*given)


def test_segments_are_combined_below_a_size(swift: SwiftCluster, new_daemon: NewDaemon) -> None:
    mirror = Mirror(swift, new_daemon, min_segment_size=50_000)
    small = [mirror.large.segment(f"{number}", 20_000 + number) for number in range(7)]
    big = mirror.large.segment("big", 60_000)
    mirror.large.put_slo("slo", [*small, big])
    mirror.large.put_slo("legal", [big, small[0]])
    mirror.run()
    mirror.large.check_there("slo", "legal", same=())
    names = mirror.segment_names()
    combined = [name.rpartition("/")[2] for name in names if name.startswith("slo/")]
    assert combined == ["000001", "000002", "000003"]
    assert {name for name in names if not name.startswith("slo/")} == {"0", "big"}
    assert mirror.compare_again() == {}


def test_dlo_is_converted_and_follows_its_segments(swift: SwiftCluster, new_daemon: NewDaemon) -> None:
    mirror = Mirror(swift, new_daemon, convert_dlo=True)
    mirror.three()
    mirror.large.put_dlo("dlo", "s/", {"X-Object-Meta-Colour": "rot"})
    mirror.run()
    assert mirror.large.read("dlo").headers["x-static-large-object"] == "True"
    assert [name for name, _, _ in mirror.large.manifest_there("dlo")] == [
        f"/{mirror.large.segments}/s/{name}" for name in ("1", "3", "ü %41")
    ]
    mirror.large.check_there("dlo", same=())
    assert mirror.compare_again() == {}
    mirror.large.segment("s/2", 100)
    mirror.pair.post("dlo", {"X-Object-Meta-Colour": "blau", **mirror.large.dlo_header("s/")})
    mirror.run()
    mirror.large.check_there("dlo", same=())


def test_unsupported_manifests_are_on_record_and_others_arrive(mirror: Mirror) -> None:
    first, *_ = mirror.three()
    entry = {"path": f"/{first.container}/{first.name}"}
    mirror.large.put_slo("inner", [first])
    mirror.large.put_slo("nested", [first, {"path": f"/{mirror.pair.container}/inner"}])
    mirror.large.put_slo("range", [{**entry, "range": "0-9"}, first])
    mirror.large.put_slo("data", [{"data": "aGVsbG8="}, first])
    mirror.run(code=1)
    reasons = {name: entry[:2] for name, entry in mirror.daemon.unsettled().items()}
    assert reasons == {
        "nested": ("quarantine", "slo_nested"),
        "range": ("quarantine", "slo_range"),
        "data": ("quarantine", "slo_data"),
    }
    assert mirror.large.names() == ["inner"]
    mirror.large.check_there("inner")


def test_account_is_mirrored_with_its_segments_sent_once(swift: SwiftCluster, new_daemon: NewDaemon) -> None:
    """Segments are objects with rows of their own; a DLO may be below its own prefix; its changes need no
    change of its manifest."""
    mirror = Mirror(swift, new_daemon, account=True)
    first, second, third = mirror.three()
    mirror.large.put_slo("slo", [first, second, first])
    for name in ("d/1", "d/2"):
        mirror.pair.put(name, name.encode() * 100)
    own = {"X-Object-Manifest": f"{mirror.pair.container}/d"}
    mirror.pair.put("d", b"", own)
    sent = mirror.run()
    assert sent["PUT segments"] == 3
    mirror.large.check_there("slo", "d")
    assert mirror.compare_again() == {}
    mirror.pair.put("d/3", b"new")
    mirror.run()
    mirror.large.check_there("slo", "d")


class TestLeftBehind:
    def test_segments_go_when_nothing_names_them_any_more(self, mirror: Mirror) -> None:
        first, second, third = mirror.three()
        mirror.large.put_slo("slo", [first, second])
        mirror.large.put_slo("other", [second])
        mirror.run()
        mirror.large.put_slo("slo", [third])
        mirror.run()
        assert mirror.segment_names() == ["s/3", "s/ü %41"]
        mirror.large.check_there("slo", "other")
        mirror.pair.delete("other")
        mirror.pair.delete("slo")
        mirror.run()
        assert mirror.large.names() == mirror.segment_names() == []

    def test_deleted_dlo_takes_its_segments_along_except_for_those_of_others(self, mirror: Mirror) -> None:
        first, second, third = mirror.three()
        mirror.large.put_dlo("dlo", "s/")
        mirror.large.put_slo("slo", [second])
        mirror.run()
        mirror.pair.delete("dlo")
        for each in (first, third):
            mirror.pair.swift.delete(each.container, each.name)
        mirror.run()
        assert mirror.segment_names() == [second.name]
        mirror.large.check_there("slo")

    def test_segment_that_a_client_there_names_stays(self, mirror: Mirror) -> None:
        first, second, third = mirror.three()
        mirror.large.put_slo("slo", [first, second])
        mirror.run()
        there = mirror.large.there
        there.put_container(f"{mirror.pair.bucket}-else")
        entries = json.dumps([{"path": f"/{mirror.large.segments}/{first.name}"}]).encode()
        there.request("PUT", f"{mirror.pair.bucket}-else", "p", query="multipart-manifest=put", body=entries)
        link = {"X-Symlink-Target": f"{mirror.large.segments}/s/%C3%BC%20%2541"}
        there.put(f"{mirror.pair.bucket}-else", "link", b"", link)
        mirror.large.put_slo("slo", [third])
        mirror.run()
        assert mirror.segment_names() == ["s/1", "s/3", "s/ü %41"]
        assert there.request("GET", f"{mirror.pair.bucket}-else", "p").body == first.body
        assert there.request("GET", f"{mirror.pair.bucket}-else", "link").body == second.body

    @pytest.mark.parametrize("step", ["manifest", "note"])
    def test_kill_around_the_manifest_leaves_nothing_behind(self, mirror: Mirror, step: str) -> None:
        first, second, third = mirror.three()
        mirror.large.put_slo("slo", [first, second])
        place = {
            "manifest": "s3_sync.providers.swift.writes:Writer.put_manifest",
            "note": "s3_sync.state.left_segments:LeftSegments.settle",
        }[step]
        mirror.daemon.alter(kill={"at": place})
        assert mirror.daemon.once().returncode == -9
        assert len(mirror.segment_names()) == 2
        mirror.daemon.alter()
        if step == "manifest":  # the client has changed his mind: nobody will ever name them
            mirror.pair.delete("slo")
            mirror.run()
            assert mirror.segment_names() == []
        else:
            mirror.run()
            mirror.large.check_there("slo")
            mirror.large.put_slo("slo", [third])
            mirror.run()
            assert mirror.segment_names() == [third.name]
