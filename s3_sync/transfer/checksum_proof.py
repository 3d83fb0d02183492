"""Compares an object of which the store knows a CRC32C and no MD5 with the local one."""

from __future__ import annotations

from dataclasses import replace

from s3_sync.model.objects import LocalInfo, ObjectInfo
from s3_sync.streams.hashing import HashingBody
from s3_sync.streams.reader import CHUNK
from s3_sync.streams.verifying import ExactBody
from s3_sync.transfer.source import Source


def with_proved_md5(source: Source, info: LocalInfo, remote: ObjectInfo) -> ObjectInfo:
    """Return ``remote`` with the MD5 of the local plain object if it has the same size and CRC32C; else
    ``remote`` itself.

    The local bytes are read for that, which moves none over the network, and compared with their own MD5
    meanwhile. Raises BadDigest, LocalError."""
    unproved = remote.md5 is None and remote.crc32c is not None and remote.size == info.size
    if not unproved or not info.size:
        return remote
    with source.open(info.data_timestamp, None) as local:
        body = HashingBody(ExactBody(local.body, info.size, info.md5), "crc32c")
        while body.read(CHUNK):
            pass
    return replace(remote, md5=info.md5) if body.digest.hexdigest() == remote.crc32c else remote
