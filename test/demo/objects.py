"""What the demonstration puts into Swift: objects of many kinds, or a person's own folder."""

from __future__ import annotations

import mimetypes
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import swiftclient


@dataclass(frozen=True)
class DemoObject:
    name: str
    content: Callable[[], bytes]
    headers: dict[str, str] = field(default_factory=dict)


def made_up() -> list[DemoObject]:
    """Some twenty objects: names, sizes and metadata of many kinds."""
    bytes_of = random.Random(1).randbytes
    objects = [
        DemoObject("readme.txt", lambda: b"A plain text.\n", {"Content-Type": "text/plain"}),
        DemoObject("empty", lambda: b""),
        DemoObject("größe/naïve café ☕.txt", lambda: b"unicode name\n", {"Content-Type": "text/plain"}),
        DemoObject("日本語/写真.jpg", lambda: bytes_of(20_000), {"Content-Type": "image/jpeg"}),
        DemoObject("emoji/🚀🛰️", lambda: b"four-byte characters\n"),
        DemoObject("a//double/slash", lambda: b"slashes are part of the name\n"),
        DemoObject("percent%2Fplus+and&more?=#", lambda: b"so are these\n"),
        DemoObject("  blanks  ", lambda: b"and blanks\n"),
        DemoObject(
            "meta/plain", lambda: b"m\n", {"X-Object-Meta-Color": "blue", "X-Object-Meta-Size": "10 x 20"}
        ),
        DemoObject("meta/unicode", lambda: b"m\n", {"X-Object-Meta-Ort": "Zürich ☃"}),
        DemoObject("meta/encoded", lambda: b"\x1f\x8b", {"Content-Encoding": "gzip"}),
        DemoObject(
            "meta/download",
            lambda: b"m\n",
            {"Content-Disposition": 'attachment; filename="x.csv"', "Cache-Control": "max-age=60"},
        ),
        DemoObject("big/1MiB", lambda: bytes_of(1 << 20)),
        DemoObject("big/5MiB", lambda: bytes_of(5 << 20), {"Content-Type": "video/mp4"}),
        DemoObject("n" * 200, lambda: b"a long name\n"),
    ]
    objects += [DemoObject(f"log/2026-11-{day:02d}.log", lambda: bytes_of(4096)) for day in range(1, 7)]
    return objects


def folder(path: Path) -> list[DemoObject]:
    """Every regular file below `path`, under its relative name."""
    found = sorted(file for file in _files(path))
    return [
        DemoObject(
            str(file.relative_to(path)),
            file.read_bytes,
            {"Content-Type": mimetypes.guess_type(file.name)[0] or "application/octet-stream"},
        )
        for file in found
    ]


def _files(path: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(path):
        for name in names:
            file = Path(directory) / name
            try:
                str(file).encode()
            except UnicodeEncodeError:
                continue  # not UTF-8: Swift takes no such name
            if file.is_file() and not file.is_symlink() and os.access(file, os.R_OK):
                yield file


def put_all(
    connect: Callable[[], swiftclient.Connection],
    container: str,
    objects: list[DemoObject],
    done: Callable[[], None],
) -> None:
    """Put them with a few connections side by side; `done` is called after each."""

    def put_some(some: list[DemoObject]) -> None:
        connection = connect()
        for each in some:
            connection.put_object(container, each.name, each.content(), headers=each.headers)
            done()

    threads = 4
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(put_some, [objects[start::threads] for start in range(threads)]))
