"""A client of large objects: what it writes, and what of that must never be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unit.sync.move_machine import MovingWorld, Written

SECRET = b"the secret of somebody else"


class LargeWorld(MovingWorld):
    """Segments are in a container of their own, manifests in the mapped one and in one that nobody moves.

    ``referring``: name of a manifest elsewhere -> what it must always give. ``noted``: segments with metadata
    that a client gave them. Objects below ``/private/`` are somebody else's.
    """

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        self.referring: dict[str, bytes] = {}
        self.noted: set[str] = set()
        self._count = 0
        for number in range(2):
            self.swift.put(f"/private/{number}", SECRET)

    # The client

    def covet(self, name: str, kind: str) -> None:
        """A user without rights names what is private; ``kind``: ``slo``, ``dlo`` or ``symlink``."""
        self.swift.clock.sleep(1)
        if kind == "slo":
            self.swift.put_slo(name, ["/private/0", "/private/1"])
        elif kind == "dlo":
            self.swift.put_dlo(name, "private/")
        else:
            self.swift.put(name, b"", x_object_sysmeta_symlink_target="private/0")
        self.refused.add(name)

    def give_up(self, name: str) -> None:
        """The user who wrote it deletes it again."""
        if name in self.refused:
            self.swift.clock.sleep(1)
            self.swift.delete(name)
            self.refused.discard(name)

    def put_large(self, name: str, kind: str, data: bytes, lives: int | None = None, **user: str) -> None:
        """``kind``: ``slo`` or ``dlo``; new segments each time, as clients do."""
        self._count += 1
        headers = {f"x_object_meta_{key}": value for key, value in user.items()}
        below = f"{name}/{self._count}/"
        names = [f"/c_segments/{below}{number}" for number in range(2)]
        self.swift.clock.sleep(1)
        for path, part in zip(names, (data[:2], data[2:]), strict=True):
            self.swift.put(path, part)
        self.put(name, data, lives, **user)  # what clients read; then the same as a large object
        written = self.truth[name]
        if written.expires is not None:
            headers["x_delete_at"] = str(written.expires)
        if kind == "slo":
            self.swift.put_slo(name, names, **headers)
        else:
            self.swift.put_dlo(name, f"c_segments/{below}", **headers)

    def post(self, name: str, **user: str) -> None:
        """The kind of a large object survives; a client repeats a DLO's header."""
        version = self.swift.objects.get((name, 0))
        if version is None or version.data is None:
            return
        kept = {
            key.replace("-", "_"): version.headers[key]
            for key in ("x-static-large-object", "x-object-manifest")
            if key in version.headers
        }
        self.swift.clock.sleep(1)
        self.swift.post(name, **kept, **{f"x_object_meta_{key}": value for key, value in user.items()})
        self.truth[name] = Written(self.truth[name].data, user)

    def segments(self) -> list[str]:
        return sorted(name for name in self.swift.everything() if name.startswith("/c_segments/"))

    def write_again(self, number: int) -> list[str]:
        """A segment, with the same bytes: a client begins to upload something that has it."""
        here = self.segments()
        if not here:
            return []
        path = here[number % len(here)]
        self.swift.clock.sleep(1)
        self.swift.put(path, self.swift.everything()[path])
        self.noted.discard(path)
        return [path]

    def refer_again(self, number: int) -> None:
        """A segment is written again, and then the manifest."""
        self.refer(self.write_again(number))

    def refer_to_old(self, number: int) -> None:
        here = self.segments()
        self.refer([here[number % len(here)]] if here else [])

    def refer(self, paths: list[str]) -> None:
        if paths:
            self._count += 1
            name = f"/other/{self._count}"
            self.swift.put_slo(name, paths)
            self.referring[name] = b"".join(self.swift.everything()[path] for path in paths)

    def note(self, number: int) -> None:
        here = self.segments()
        if here:
            path = here[number % len(here)]
            self.swift.clock.sleep(1)
            self.swift.post(path, x_object_meta_colour="red")
            self.noted.add(path)
            self.swift.overtaken.discard(path)

    # What must hold

    def check_bytes(self) -> None:
        there = self.bucket.content()
        assert not any(SECRET in data for data in there.values())
        assert not self.refused & there.keys()
        assert [self.swift.everything().get(f"/private/{number}") for number in range(2)] == [SECRET] * 2
        for name, written in self.alive().items():
            assert written.data in (self.swift.read(name), there.get(name)), name
        for name, data in self.referring.items():
            assert self.swift.read(name) == data, name
        everything = self.swift.everything()
        for path in self.noted - self.swift.overtaken:
            assert path in everything

    def check_end(self) -> None:
        super().check_end()
        for node in self.nodes:
            assert node.journal.departures.entries(node.crawl.key, 10) == []
            assert not node.crawl.is_failing
