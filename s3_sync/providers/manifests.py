"""Stored manifests: the rules that are the same for every store."""

from __future__ import annotations

from s3_sync.errors import UnexpectedAnswer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.store_limits import MIB
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody, read_all
from s3_sync.streams.small_files import parse_json

#: maximum size of a stored manifest in bytes; Swift's own limit is 8 MiB unless an operator raises it
MAX_MANIFEST = 64 * MIB
_META = ObjectMeta({"content-type": "application/json"})


class StoredManifests:
    """See ``Manifests``. ``bucket`` has the manifests as its objects: its namer is a ManifestNamer, and its
    storage class is the store's default, since a restore must be able to read them."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, name: str, manifest: bytes) -> None:
        options = PutOptions(len(manifest), _META, md5_hex(manifest))
        self._bucket.put_object(name, BytesBody(manifest), options)

    def get(self, name: str) -> bytes:
        """The manifest, which must be a JSON list, so that a truncated one is detected. Raises
        UnexpectedAnswer for anything else, unless the store's MD5 confirms it."""
        with self._bucket.get_object(name) as result:
            manifest = read_all(result.body, MAX_MANIFEST)
        if not _is_list(manifest) and md5_hex(manifest) != result.info.md5:
            what = f"GET the manifest of {self._bucket.name}/{name}"
            why = "the body is no manifest; is a proxy or a portal in front of the store?"
            raise UnexpectedAnswer(f"{what}: unexpected response: {why}", status=200)
        return manifest

    def delete(self, name: str) -> None:
        self._bucket.delete_object(name)

    def has_any(self) -> bool:
        page = self._bucket.list_objects(ListQuery(limit=1))
        return bool(page.objects) or page.next_after is not None


def _is_list(manifest: bytes) -> bool:
    try:
        return isinstance(parse_json(manifest), list)
    except ValueError:
        return False
