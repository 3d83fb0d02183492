"""`bin/demo`: see there."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo import archive, elsewhere
from demo.archive import Archive
from demo.compare import Landed, compare, keys
from demo.elsewhere import Elsewhere
from demo.migrated import Migrated
from demo.objects import DemoObject, folder, made_up, put_all
from demo.progress import Counters
from s3_sync.config.convert import convert_file
from s3_sync.model.keys import KeyNamer
from servers.daemon import SyncDaemon, Target
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2

CONTAINER = "gallery"
BUCKET = "mirror"
SHOWN = 40


class Demo:
    """Two accounts of one Swift: `AUTH_test` holds the container, s3api over `AUTH_test2` is the S3.

    ``other``: another Swift."""

    def __init__(self, cluster: Shunted, other: SwiftCluster, directory: Path, console: Console) -> None:
        self.cluster = cluster
        self.other = other
        self.console = console
        self.swift = cluster.client()
        self.s3: Any = cluster.s3_client(TESTER2.name)
        self.prefix = KeyNamer.hashed(cluster.account, CONTAINER).prefix
        self.counters = Counters()
        target = Target(cluster.s3_endpoint, TESTER2.name, TESTER2.key, BUCKET)
        self.archive = Archive(
            cluster, directory / "archive", replace(target, bucket=archive.BUCKET), console
        )
        self.elsewhere = Elsewhere(cluster, other, directory / "elsewhere", console)
        self.migrated = Migrated(cluster, other, directory / "migrated", console)
        mappings = [target.mapping(cluster.account, CONTAINER)]
        self.daemon = SyncDaemon(
            cluster, directory / "mirror", mappings, statsd_host="127.0.0.1", statsd_port=self.counters.port
        )

    def fill(self, objects: list[DemoObject]) -> None:
        self.swift.put_container(CONTAINER)
        for bucket in (BUCKET, archive.BUCKET):
            self.s3.create_bucket(Bucket=bucket)
        with self._progress() as progress:
            task = progress.add_task("Putting objects into Swift", total=len(objects))
            put_all(self.cluster.client, CONTAINER, objects, lambda: progress.advance(task))

    def sync(self, expected: int, what: str) -> None:
        """One run of `swift-s3-sync --once`, with its own counters as progress."""
        before = self.counters.value("copied_objects")
        outcome: list[Any] = []
        thread = threading.Thread(target=lambda: outcome.append(self.daemon.once(seconds=3600)))
        with self._progress() as progress:
            task = progress.add_task(what, total=expected or None)
            thread.start()
            while thread.is_alive():
                thread.join(0.1)
                progress.update(task, completed=self.counters.value("copied_objects") - before)
            time.sleep(0.1)  # the last datagram
            progress.update(task, completed=self.counters.value("copied_objects") - before, total=expected)
        if outcome[0].returncode:
            self.console.print(outcome[0].stderr + self.daemon.log_text(), markup=False)
            raise SystemExit("swift-s3-sync failed; its log is above")

    def show(self) -> bool:
        landed = compare(self.swift, CONTAINER, self.s3, BUCKET, self.prefix)
        table = Table(title=f"{len(landed)} objects of {self.cluster.account}/{CONTAINER} in bucket {BUCKET}")
        for column in ("Swift name", "S3 key"):
            table.add_column(column, overflow="fold", max_width=48)
        table.add_column("Size", justify="right")
        table.add_column("ETag")
        table.add_column("Metadata")
        for each in landed[:SHOWN]:
            marks = [_mark(agrees) for agrees in (each.bytes_agree, each.meta_agrees)]
            table.add_row(repr(each.name)[1:-1], repr(each.key)[1:-1], f"{each.size:,}", *marks)
        self.console.print(table)
        if len(landed) > SHOWN:
            self.console.print(f"... and {len(landed) - SHOWN} more, compared all the same.")
        wrong = [each.name for each in landed if not _right(each)]
        surplus = keys(self.s3, BUCKET, self.prefix) - {each.key for each in landed}
        if wrong or surplus:
            self.console.print(f"[red]Differ: {wrong}  Too many: {surplus}")
        return not wrong and not surplus

    def change(self) -> None:
        """Two POSTs, an overwrite and some deletes, told as they are done."""
        _, listing = self.swift.get_container(CONTAINER, full_listing=True)
        names = [entry["name"] for entry in listing]
        posts, overwrite, deletes = names[:2], names[2], names[3:6]
        for name in posts:
            self.swift.post_object(
                CONTAINER, name, {"X-Object-Meta-Changed": "yes", "Content-Type": "text/x-new"}
            )
        self.swift.put_object(CONTAINER, overwrite, b"new content\n", headers={"Content-Type": "text/plain"})
        for name in deletes:
            self.swift.delete_object(CONTAINER, name)
        self.console.print(
            "In Swift:", f"POST {posts}, PUT over {overwrite!r}, DELETE {deletes}", markup=False
        )

    def quiet_run(self) -> int:
        """Run again with nothing to do; the number of requests that reached the S3 side."""
        with self.cluster.count_requests(quiet=0.3) as count:
            self.sync(0, "Third run: nothing to do")
        return count.of("proxy")

    def say_how_to_play(self) -> None:
        cluster = self.cluster
        self.console.rule("Everything is still running")
        self.console.print(
            f"""
All of these programs but aws are in
         export PATH={Path(sys.executable).parent}:$PATH
Swift:   export ST_AUTH={cluster.auth_url} ST_USER={cluster.user} ST_KEY={cluster.key}
         swift list {CONTAINER}; swift list --long {archive.CONTAINER}
The other Swift:
         swift --auth {self.other.auth_url} list --long {elsewhere.THERE}
S3:      export AWS_ACCESS_KEY_ID={TESTER2.name} AWS_SECRET_ACCESS_KEY={TESTER2.key}
         export AWS_DEFAULT_REGION=us-east-1
         aws --endpoint-url {cluster.s3_endpoint} s3 ls --recursive s3://{BUCKET}
         rclone lsf -R ":s3,provider=Other,env_auth=true,endpoint='{cluster.s3_endpoint}':{BUCKET}"
Daemon:  swift-s3-sync --config {self.config} --console
         swift-s3-ctl --config {self.config} status
Log:     {self.daemon.log}

Ctrl-C stops everything.""",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    @property
    def config(self) -> Path:
        """The daemon's, in the form that the documents explain; the tests use the earlier one."""
        path = self.daemon.config.with_name("mirror.json")
        if not path.exists():
            path.write_text(convert_file(str(self.daemon.config)).text, encoding="utf-8")
            path.chmod(0o600)
        return path

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self.console)


def _right(each: Landed) -> bool:
    return each.bytes_agree and each.meta_agrees


def _mark(agrees: bool) -> str:
    return "[green]same" if agrees else "[red]differs"


def play(demo: Demo, objects: list[DemoObject]) -> bool:
    console = demo.console
    console.rule("1. Copy")
    demo.fill(objects)
    demo.sync(len(objects), "First run: copying")
    right = demo.show()
    console.rule("2. Change and delete")
    if len(objects) >= 6:
        demo.change()
        demo.sync(1, "Second run: PUT, POST and DELETE")
        right = demo.show() and right
    else:
        console.print("Left out: that takes six files.")
    console.rule("3. Nothing new")
    requests = demo.quiet_run()
    console.print(f"The third run sent {requests} requests to the S3 side.")
    right = right and requests == 0
    console.rule("4. Move away, and come back")
    right = demo.archive.play(objects) and right
    console.rule("5. Mirror to another Swift")
    right = demo.elsewhere.play() and right
    console.rule("6. Move in while clients work")
    return demo.migrated.play() and right


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/demo")
    parser.add_argument("path", nargs="?", type=Path, help="a folder to put into Swift")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    arguments = parser.parse_args()
    if arguments.path is not None and not arguments.path.is_dir():
        parser.error(f"{arguments.path} is not a folder")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console(highlight=False)
    started = time.monotonic()
    objects = folder(arguments.path) if arguments.path else made_up()
    if not objects:
        parser.error(f"{arguments.path} holds no files")
    with (
        tempfile.TemporaryDirectory(prefix="swift-s3-sync-demo-") as directory,
        Shunted() as cluster,
        SwiftCluster() as other,
    ):
        console.print(f"A Swift of one node is running; its S3 API is at {cluster.s3_endpoint}")
        console.print(f"Another Swift is running at {other.auth_url}")
        demo = Demo(cluster, other, Path(directory), console)
        right = play(demo, objects)
        console.print(f"Configuration:\n{_shown(demo.config)}", markup=False)
        verdict = "[green]Both sides agree" if right else "[red]Both sides differ"
        console.print(f"{verdict}[/]; {time.monotonic() - started:.0f} s")
        if arguments.keep:
            demo.say_how_to_play()
            try:
                signal.pause()
            except KeyboardInterrupt:
                console.print("Stopping")
    return 0 if right else 1


def _shown(config: Path) -> str:
    """The configuration with its secrets masked, as everything that is printed."""
    written = json.loads(config.read_text(encoding="utf-8"))
    for credentials in written["credentials"].values():
        credentials["secret"] = "********"
    return json.dumps(written, indent=1)


if __name__ == "__main__":
    sys.exit(main())
