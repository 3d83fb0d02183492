"""The fourth act: objects move to the bucket, stay in the listing, and one comes back when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import swiftclient
from rich.console import Console
from rich.table import Table

from demo.objects import DemoObject
from servers.daemon import SyncDaemon, Target
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.shunted import Shunted

CONTAINER = "archive"
BUCKET = "cold"
MOVED = 8
_BYPASS = {"X-Cloud-Sync-Shunt-Bypass": "yes"}


class Archive:
    """A container whose objects leave at once; clients talk to it through the middleware."""

    def __init__(self, cluster: Shunted, directory: Path, target: Target, console: Console) -> None:
        mapping = target.mapping(
            cluster.account,
            CONTAINER,
            retain_local=False,
            propagate_delete=False,
            merge_namespaces=True,
            restore_object=True,
        )
        cluster.add(mapping)
        self._console = console
        self._swift = cluster.client()
        self._raw = RawSwift(cluster)
        self._daemon = SyncDaemon(cluster, directory, [mapping])

    def play(self, objects: list[DemoObject]) -> bool:
        """Whether everything was as it should be."""
        contents = {each.name: each.content() for each in objects[:MOVED]}
        self._swift.put_container(CONTAINER)
        for each in objects[:MOVED]:
            self._swift.put_object(CONTAINER, each.name, contents[each.name], headers=each.headers)
        done = self._daemon.once(seconds=3600)
        if done.returncode:
            self._console.print(done.stderr + self._daemon.log_text(), markup=False)
            return False
        self._swift.put_object(CONTAINER, "written later", b"still here\n")
        self._console.print(
            f"{len(contents)} objects of {CONTAINER!r} were moved to bucket {BUCKET!r}, and one is new."
        )
        before = self._show("What a Swift client sees")
        chosen = max(contents, key=lambda name: len(contents[name]))
        _, body = self._swift.get_object(CONTAINER, chosen)
        same = body == contents[chosen]
        self._console.print(
            f"GET {chosen!r}: {len(body):,} bytes from the bucket, "
            + ("the same as before" if same else "DIFFERENT ones")
        )
        wait_until(lambda: self._is_here(chosen), 60, "the object back in Swift")
        after = self._show("A moment later")
        expected = {name: ["bucket"] for name in contents} | {"written later": ["Swift"]}
        back = {**expected, chosen: ["bucket", "Swift"]}
        return same and before == expected and after == back

    def _show(self, title: str) -> dict[str, list[str]]:
        entries: list[dict[str, Any]] = json.loads(
            self._raw.request("GET", CONTAINER, query="format=json").body
        )
        table = Table(title=title)
        table.add_column("Object", overflow="fold", max_width=48)
        table.add_column("Size", justify="right")
        table.add_column("Where it is")
        places: dict[str, list[str]] = {}
        for entry in entries:
            locations = entry.get("content_location", ["swift"])
            found = ["Swift" if location == "swift" else "bucket" for location in locations]
            places[entry["name"]] = found
            table.add_row(repr(entry["name"])[1:-1], f"{entry['bytes']:,}", " and ".join(found))
        self._console.print(table)
        return places

    def _is_here(self, name: str) -> bool:
        try:
            self._swift.head_object(CONTAINER, name, headers=_BYPASS)
        except swiftclient.ClientException:
            return False
        return True
