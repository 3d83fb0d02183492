"""The fifth act: a container is mirrored to another Swift, large objects as large objects."""

from __future__ import annotations

import json
from pathlib import Path

import swiftclient
from rich.console import Console
from rich.table import Table

from servers.daemon import SyncDaemon, Target
from servers.swift import SwiftCluster

CONTAINER = "album"
SEGMENTS = "album_segments"
THERE = "album-mirror"
LARGE, PLAIN, DELETED = "film.mp4", "größe/☕.txt", "deleted later"
_SEGMENT = 1 << 20
_USER = "x-object-meta-"


class Elsewhere:
    """``here``: the cluster with the container. ``there``: another one, with servers of its own."""

    def __init__(self, here: SwiftCluster, there: SwiftCluster, directory: Path, console: Console) -> None:
        self._console = console
        self._here, self._there = here.client(), there.client()
        target = Target(there.auth_url, there.user, there.key, THERE)
        self._daemon = SyncDaemon(
            here, directory, [target.mapping(here.account, CONTAINER, protocol="swift")]
        )

    def play(self) -> bool:
        """Whether everything was as it should be."""
        self._fill()
        right = self._sync() and self._show("In another Swift") == {LARGE, PLAIN, DELETED}
        right = self._has_segments() and right
        self._here.delete_object(CONTAINER, DELETED)
        self._here.post_object(CONTAINER, LARGE, {"X-Object-Meta-Rating": "five"})
        self._console.print(f"In Swift: DELETE {DELETED!r}, POST {LARGE!r}", markup=False)
        return self._sync() and self._show("There, after the next run") == {LARGE, PLAIN} and right

    def _fill(self) -> None:
        for container in (CONTAINER, SEGMENTS):
            self._here.put_container(container)
        self._here.put_object(CONTAINER, PLAIN, b"plain\n", headers={"X-Object-Meta-Ort": "Zürich"})
        self._here.put_object(CONTAINER, DELETED, b"deleted later\n")
        manifest = []
        for number in range(3):
            name = f"{LARGE}/{number:03d}"
            etag = self._here.put_object(SEGMENTS, name, bytes([number]) * _SEGMENT)
            manifest.append({"path": f"/{SEGMENTS}/{name}", "etag": etag, "size_bytes": _SEGMENT})
        self._here.put_object(
            CONTAINER,
            LARGE,
            json.dumps(manifest),
            query_string="multipart-manifest=put",
            headers={"Content-Type": "video/mp4", "X-Object-Meta-Rating": "four"},
        )

    def _sync(self) -> bool:
        done = self._daemon.once(seconds=3600)
        if done.returncode:
            self._console.print(done.stderr + self._daemon.log_text(), markup=False)
        return not done.returncode

    def _show(self, title: str) -> set[str]:
        """The names that are there, without those that differ from the original."""
        table = Table(title=f"{title}: container {THERE}")
        table.add_column("Object")
        table.add_column("Size", justify="right")
        for column in ("Kind", "Bytes", "Metadata"):
            table.add_column(column)
        same: set[str] = set()
        for entry in self._there.get_container(THERE, full_listing=True)[1]:
            name = entry["name"]
            copy, body = self._there.get_object(THERE, name)
            bytes_agree = meta_agrees = False
            try:
                original, expected = self._here.get_object(CONTAINER, name)
            except swiftclient.ClientException:
                pass  # it should not be there any more
            else:
                bytes_agree, meta_agrees = body == expected, _described(copy) == _described(original)
            table.add_row(name, f"{len(body):,}", _kind(copy), _mark(bytes_agree), _mark(meta_agrees))
            if bytes_agree and meta_agrees:
                same.add(name)
        self._console.print(table)
        return same

    def _has_segments(self) -> bool:
        """Whether the manifest there names segments that are there."""
        _, raw = self._there.get_object(THERE, LARGE, query_string="multipart-manifest=get")
        paths = [segment["name"] for segment in json.loads(raw)]
        self._console.print(f"The manifest there names {', '.join(paths)}", markup=False)
        containers = {path.split("/")[1] for path in paths}
        stored = {
            f"/{container}/{entry['name']}"
            for container in containers
            for entry in self._there.get_container(container, full_listing=True)[1]
        }
        return len(paths) == 3 and stored == set(paths)


def _kind(headers: dict[str, str]) -> str:
    return "SLO" if headers.get("x-static-large-object") == "True" else "object"


def _described(headers: dict[str, str]) -> dict[str, str]:
    """What both sides have in common: the copy has further metadata, which say what it is a copy of."""
    compared = {name: headers[name] for name in ("content-type", "etag")}
    user = {name: value for name, value in headers.items() if name.startswith(_USER)}
    own = (f"{_USER}swift-", f"{_USER}x-")
    return {**compared, "kind": _kind(headers), **{n: v for n, v in user.items() if not n.startswith(own)}}


def _mark(agrees: bool) -> str:
    return "[green]same" if agrees else "[red]differs"
