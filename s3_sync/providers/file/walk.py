"""Listing: keys in the order of their bytes, in bounded memory.

The key of a file in the directory ``a`` begins with ``a/``, so a directory stands among its neighbours under
its name and a slash: ``a``, ``a-b``, ``a/1``, ``aa``. Of each directory on the way to the current key up to
``batch`` entries are in memory, the next ones in order; where it has more, it is read again. So a page costs
a pass over each directory that it touches. Directories that hold the rest of a name that is too long count as
part of the one that they are in.

A directory that has gone meanwhile has no keys. Any other error ends the listing: a part of it is never taken
for all of it.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.file.directories import regular_file
from s3_sync.providers.file.names import entry_of, is_canonical, names_of
from s3_sync.providers.file.site import Found, Path, Site, modified_at
from s3_sync.providers.roll_up import is_after, roll_up
from s3_sync.runtime.real_threads import Touch

_TOUCH_EVERY = 500
#: bytes of a key, and directories that a part of one is spread over: users of the share can make deeper ones
_MAX_KEY, _MAX_PIECES = 1024, 32


@dataclass(frozen=True, slots=True)
class _Child:
    """``key``: of a file, or what those below a directory begin with, in UTF-8. ``shadow``: as in
    ``Entry``."""

    key: bytes
    shadow: bool
    is_directory: bool
    path: Path

    @property
    def order(self) -> tuple[bytes, bool]:
        return self.key, self.shadow


@dataclass(slots=True)
class _Level:
    """A directory on the way. ``waiting``: its next entries; ``is_complete``: there are no more."""

    path: Path
    base: bytes
    waiting: deque[_Child] = field(default_factory=deque)
    last: tuple[bytes, bool] | None = None
    is_complete: bool = False


class Walk:
    """The files of a bucket whose keys begin with ``prefix`` and are greater than ``after``."""

    def __init__(self, site: Site, prefix: str, after: str, batch: int, touch: Touch) -> None:
        self._site = site
        self._portable = site.marker.portable
        self._prefix = prefix.encode("utf-8")
        self._after = after.encode("utf-8")
        self._batch = batch
        self._touch = touch
        self._skipped: bytes | None = None
        self._entries = 0
        self._open: tuple[Path, int] | None = None
        *above, _ = prefix.split("/")
        path = tuple(name for part in above for name in names_of(part, self._portable))
        self._levels = [_Level(path, prefix[: prefix.rfind("/") + 1].encode("utf-8"))]

    def skip(self, group: str) -> None:
        """Leave out all keys that begin with ``group``, which is among or after the next ones."""
        self._skipped = group.encode("utf-8")
        while self._levels and self._levels[-1].base.startswith(self._skipped):
            self._levels.pop()

    def files(self) -> Iterator[_Child]:
        """Regular files in order, which need not be objects."""
        while self._levels:
            level = self._levels[-1]
            if not level.waiting:
                if level.is_complete:
                    self._levels.pop()
                else:
                    self._fill(level)
                continue
            child = level.waiting.popleft()
            if self._skipped is not None and child.key.startswith(self._skipped):
                continue
            if child.is_directory:
                self._levels.append(_Level(child.path, child.key))
            else:
                yield child

    def open(self, child: _Child) -> Found | os.stat_result | None:
        """The object of that file; None if it is none, or has gone. The status of a file that we may not
        read."""
        directory = child.path[:-1]
        if self._open is None or self._open[0] != directory:
            self.close()
            try:
                self._open = directory, self._site.open_directory(directory)
            except FileNotFoundError:
                return None
        try:
            return self._site.open_file(self._open[1], child.path[-1], child.key.decode("utf-8"))
        except PermissionError:
            return regular_file(self._open[1], child.path[-1])

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _fill(self, level: _Level) -> None:
        wanted = (child for child in self._children(level) if self._is_wanted(child, level))
        chosen = heapq.nsmallest(self._batch, wanted, key=lambda child: child.order)
        level.is_complete = len(chosen) < self._batch
        level.waiting.extend(chosen)
        if chosen:
            level.last = chosen[-1].order

    def _is_wanted(self, child: _Child, level: _Level) -> bool:
        key = child.key
        if len(key) > _MAX_KEY:
            return False
        if level.last is not None and child.order <= level.last:
            return False
        if self._skipped is not None and key.startswith(self._skipped):
            return False
        if not child.is_directory:
            return key.startswith(self._prefix) and key > self._after
        return (key.startswith(self._prefix) or self._prefix.startswith(key)) and (
            key > self._after or self._after.startswith(key)
        )

    def _children(self, level: _Level) -> Iterator[_Child]:
        for part, is_directory, shadow, path in self._parts(level.path, "", ()):
            key = level.base + part.encode("utf-8") + (b"/" if is_directory else b"")
            yield _Child(key, shadow, is_directory, path)

    def _parts(self, path: Path, text: str, before: Path) -> Iterator[tuple[str, bool, bool, Path]]:
        """What is in a directory. ``before``: names of the directories with the beginning ``text`` of a
        part."""
        try:
            descriptor = self._site.open_directory(path)
        except FileNotFoundError:
            return
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    self._count()
                    found = entry_of(entry.name, self._portable)
                    is_directory = found is not None and entry.is_dir(follow_symlinks=False)
                    if found is None or not (is_directory or entry.is_file(follow_symlinks=False)):
                        continue
                    part, here = text + found.text, (*path, entry.name)
                    if found.more:
                        if is_directory and len(before) < _MAX_PIECES:
                            yield from self._parts(here, part, (*before, entry.name))
                        continue
                    name = entry.name[:-2] if found.shadow else entry.name
                    if is_canonical(part, (*before, name), self._portable) and not (
                        found.shadow and is_directory
                    ):
                        yield part, is_directory, found.shadow, here
        finally:
            os.close(descriptor)

    def _count(self) -> None:
        self._entries += 1
        if self._entries % _TOUCH_EVERY == 0:
            self._touch()


def list_page(site: Site, namer: KeyNamer, query: ListQuery, touch: Touch) -> ListPage:
    """See ``Bucket.list_objects``."""
    prefix, after = namer.prefix + query.prefix, namer.prefix + query.start_after
    walk = Walk(site, prefix, after if query.start_after else "", min(query.limit, 1000) + 1, touch)
    if query.start_after and roll_up(query.start_after, query) == query.start_after:
        walk.skip(after)
    objects: list[ListedObject] = []
    prefixes: list[str] = []
    last = None
    try:
        for child in walk.files():
            touch()
            name = namer.name(child.key.decode("utf-8"))
            if name is None or name == last or not is_after(name, query):
                continue
            listed = _listed(walk, child, name)
            if listed is None:
                continue
            if len(objects) + len(prefixes) == query.limit:
                return ListPage(tuple(objects), tuple(prefixes), last)
            last = roll_up(name, query)
            if last is None:
                objects.append(listed)
                last = name
            else:
                prefixes.append(last)
                walk.skip(namer.prefix + last)
    finally:
        walk.close()
    return ListPage(tuple(objects), tuple(prefixes), None)


def _listed(walk: Walk, child: _Child, name: str) -> ListedObject | None:
    """A digest is shown only of a file that is unchanged since it was written."""
    found = walk.open(child)
    if found is None:
        return None
    if isinstance(found, os.stat_result):
        record, status = None, found
    else:
        found.close()
        record, status = found.record, found.status
    if record is None:
        return ListedObject(name, status.st_size, "", modified_at(status))
    return ListedObject(name, record.size, record.md5, record.written)
