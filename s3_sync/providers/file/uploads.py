"""Multipart uploads: parts are files in a directory of their own, which are joined in the end.

    %uploads/<id>/about.json            key, metadata, when it began
    %uploads/<id>/<number>.<md5>.<size>

Joining reads every part, so its digest is checked once more, and the MD5 of the whole object is known.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from s3_sync.errors import BadDigest, InvalidRequest, NotFound
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta, PutResult
from s3_sync.providers.base import GetResult, OpenUpload, Part
from s3_sync.providers.file.directories import (
    DIRECTORY,
    READING,
    is_directory,
    read_small,
    remove_file,
    remove_quietly,
    remove_tree,
    sync_directory,
    write_small,
)
from s3_sync.providers.file.files import BLOCK, Condition, Draft, blocks, draft_of
from s3_sync.providers.file.record import is_texts
from s3_sync.providers.file.share import TEMPORARY, UPLOADS, Share
from s3_sync.providers.file.site import Site
from s3_sync.runtime.real_threads import Touch
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import Body
from s3_sync.streams.small_files import is_text, number, parse_json

_ABOUT = "about.json"
_ID = re.compile(r"[0-9a-f]{32}")
_MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class _About:
    key: str
    meta: ObjectMeta
    begun: float

    def to_json(self) -> bytes:
        meta = {
            "headers": dict(self.meta.headers),
            "user": dict(self.meta.user),
            "marks": dict(self.meta.marks),
        }
        return json.dumps({"key": self.key, "begun": self.begun, **meta}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> _About:
        """Raises ValueError."""
        found = parse_json(content)
        if not isinstance(found, dict) or not is_text(found.get("key")):
            raise ValueError("it is not about an upload")
        parts: list[Any] = [found.get(name) for name in ("headers", "user", "marks")]
        if not all(map(is_texts, parts)):
            raise ValueError("its metadata is none")
        return cls(found["key"], ObjectMeta(*parts), number(found.get("begun")))


class Uploads:
    """The uploads of one bucket."""

    def __init__(self, share: Share, bucket: str) -> None:
        self.share = share
        self.bucket = bucket

    def create(self, key: str, meta: ObjectMeta) -> str:
        upload_id, about = uuid4().hex, _About(key, meta, time.time())

        def begin(touch: Touch) -> None:
            with self._moving() as (uploads, temporary):
                try:
                    os.mkdir(upload_id, dir_fd=temporary)
                    directory = os.open(upload_id, DIRECTORY | os.O_NOFOLLOW, dir_fd=temporary)
                    try:
                        os.close(write_small(directory, _ABOUT, about.to_json()))
                    finally:
                        os.close(directory)
                    os.rename(upload_id, upload_id, src_dir_fd=temporary, dst_dir_fd=uploads)
                    sync_directory(uploads)
                except BaseException:  # nobody knows its ID
                    for place in (temporary, uploads):
                        remove_quietly(place, upload_id)
                    raise

        self.share.call("begin an upload", begin)
        return upload_id

    def open(self, namer: KeyNamer, name: str | None) -> list[OpenUpload]:
        def collect(touch: Touch) -> list[OpenUpload]:
            found = []
            with self._directory() as (_, uploads):
                for upload_id in sorted(os.listdir(uploads)):
                    touch()
                    with suppress(NotFound):
                        about = _about(uploads, upload_id)
                        mine = namer.name(about.key)
                        if mine is not None and name in (None, mine):
                            found.append(OpenUpload(mine, upload_id, about.begun))
            return found

        return self.share.call("list uploads", collect)

    def put_part(self, key: str, upload_id: str, part: Part, body: Iterator[bytes], md5: str | None) -> Part:
        """Store one part; ``part`` has its number and size."""
        self.share.call("upload a part", lambda touch: self._check(key, upload_id))
        first = next(body)
        with draft_of(self.share, self.bucket, "upload a part", first) as draft:
            for block in body:
                self.share.call("upload a part", partial(draft.write, block))
            found = str(draft.digest.hexdigest())
            if md5 not in (None, found):
                raise BadDigest(f"the part hashes to {found}, not to {md5}")

            def place(touch: Touch) -> None:
                with self._directory(key, upload_id) as (directory, _):
                    touch()
                    _remove_part(directory, part.number)
                    name = f"{part.number}.{found}.{part.size}"
                    os.rename(draft.name, name, src_dir_fd=draft.directory, dst_dir_fd=directory)

            self.share.call("upload a part", place)
        return Part(part.number, found, part.size, found)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], condition: Condition) -> PutResult:
        def join(touch: Touch) -> str:
            with self._directory(key, upload_id) as (directory, uploads):
                about = _about(uploads, upload_id)
                draft = Draft.begin(self.share, self.bucket)
                try:
                    for name, part in _chosen(directory, parts):
                        _append(draft, directory, name, part, touch)
                    etag = draft.commit(key, about.meta, condition, touch)
                finally:
                    draft.discard()
            self._remove(upload_id)
            return etag

        return PutResult(self.share.call("complete an upload", join))

    def abort(self, upload_id: str) -> None:
        self.share.call("abort an upload", lambda touch: self._remove(upload_id))

    def _remove(self, upload_id: str) -> None:
        """In one step, so that a part that is being uploaded cannot come back; what a kill leaves is
        swept."""
        if not _ID.fullmatch(upload_id):
            return
        with self._moving() as (uploads, temporary):
            with suppress(FileNotFoundError):
                os.rename(upload_id, upload_id, src_dir_fd=uploads, dst_dir_fd=temporary)
                sync_directory(uploads)
            remove_tree(temporary, upload_id)

    @contextmanager
    def _moving(self) -> Iterator[tuple[int, int]]:
        """The directories of all uploads, and of temporary files."""
        with self._directory() as (_, uploads), Site.of(self.share, self.bucket) as site:
            temporary = os.open(TEMPORARY, DIRECTORY | os.O_NOFOLLOW, dir_fd=site.bucket)
            try:
                yield uploads, temporary
            finally:
                os.close(temporary)

    def _check(self, key: str, upload_id: str) -> None:
        with self._directory(key, upload_id):
            pass

    @contextmanager
    def _directory(self, key: str = "", upload_id: str = "") -> Iterator[tuple[int, int]]:
        """The directories of an upload, and of all. Raises NotFound if there is no such upload of the key."""
        with Site.of(self.share, self.bucket) as site:
            uploads = os.open(UPLOADS, DIRECTORY | os.O_NOFOLLOW, dir_fd=site.bucket)
            try:
                if not upload_id:
                    yield uploads, uploads
                    return
                if _about(uploads, upload_id).key != key:
                    raise _no_upload(upload_id)
                directory = os.open(upload_id, DIRECTORY | os.O_NOFOLLOW, dir_fd=uploads)
                try:
                    yield directory, uploads
                finally:
                    os.close(directory)
            finally:
                os.close(uploads)


class FileUpload:
    """See ``MultipartUpload``. ``reader``: opens the current object of that name."""

    def __init__(self, uploads: Uploads, bucket: Any, name: str, upload_id: str) -> None:
        self.name = name
        self.upload_id = upload_id
        self._uploads = uploads
        self._bucket = bucket
        self._key: str = bucket.namer.key(name)

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        if not 1 <= number <= _MAX_PARTS:
            raise InvalidRequest(f"part {number}", status=400, code="InvalidArgument")
        part = Part(number, "", size)
        return self._uploads.put_part(self._key, self.upload_id, part, blocks(body, size), md5)

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        result: GetResult
        with self._bucket.get_object(self.name, GetOptions(byte_range, if_match=if_match)) as result:
            return self.upload_part(number, result.body, result.body.length or 0)

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        numbers = [part.number for part in sorted(parts, key=lambda part: part.number)]
        if not parts or numbers != sorted(set(numbers)):
            raise InvalidRequest("parts are missing or repeated", status=400, code="InvalidPartOrder")
        ordered = sorted(parts, key=lambda part: part.number)
        return self._uploads.complete(self._key, self.upload_id, ordered, Condition(if_match, if_absent))

    def abort(self) -> None:
        self._uploads.abort(self.upload_id)


def _no_upload(upload_id: str) -> NotFound:
    return NotFound(f"no upload {upload_id}", status=404, code="NoSuchUpload")


def _about(uploads: int, upload_id: str) -> _About:
    if not _ID.fullmatch(upload_id) or not is_directory(uploads, upload_id):
        raise _no_upload(upload_id)
    try:
        directory = os.open(upload_id, DIRECTORY | os.O_NOFOLLOW, dir_fd=uploads)
        try:
            return _About.from_json(read_small(directory, _ABOUT))
        finally:
            os.close(directory)
    except (FileNotFoundError, ValueError):  # gone, or changed by somebody else
        raise _no_upload(upload_id) from None


def _remove_part(directory: int, number: int) -> None:
    for name in os.listdir(directory):
        if name.startswith(f"{number}."):
            remove_file(directory, name)


def _chosen(directory: int, parts: Sequence[Part]) -> list[tuple[str, Part]]:
    """The file of each part. Raises BadDigest for one that is not there with this ETag."""
    names = {tuple(name.split(".")[:2]): name for name in os.listdir(directory)}
    chosen = [(names.get((str(part.number), part.etag)), part) for part in parts]
    for name, part in chosen:
        if name is None:
            raise BadDigest(f"part {part.number} has another ETag", status=400, code="InvalidPart")
    return [(name, part) for name, part in chosen if name is not None]


def _append(draft: Draft, directory: int, name: str, part: Part, touch: Touch) -> None:
    digest = new_digest("md5")
    descriptor = os.open(name, READING, dir_fd=directory)
    try:
        while block := os.read(descriptor, BLOCK):
            digest.update(block)
            draft.write(block, touch)
    finally:
        os.close(descriptor)
    if digest.hexdigest() != part.etag:
        raise BadDigest(f"part {part.number} was damaged on the share", status=400, code="InvalidPart")
