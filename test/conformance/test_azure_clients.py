"""What we write into Azure, read by Microsoft's own client; at the emulator."""

from __future__ import annotations

import pytest
from azure.storage.blob import BlobServiceClient

from conformance.samples import md5, put, read, sample
from conformance.targets import Target
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket
from servers.azurite import Azurite

pytestmark = pytest.mark.parametrize("target", ["azurite"], indirect=True)


def test_microsofts_client_reads_what_was_written_and_the_other_way(
    bucket: Bucket, target: Target, azurite: Azurite
) -> None:
    client = BlobServiceClient(azurite.endpoint, credential=azurite.key).get_container_client(bucket.name)
    meta = ObjectMeta({"content-type": "a/b", "content-language": "en"}, {"colour": "red", "x-y": "1"})
    for name, data in {"small/ü %2F": b"bytes", "large": sample(2_000_000)}.items():
        put(bucket, name, data, meta)
        key = bucket.namer.key(name)
        blob = client.get_blob_client(key)
        assert blob.download_blob().readall() == data
        found = blob.get_blob_properties()
        settings = found.content_settings
        assert (settings.content_type, settings.content_language) == ("a/b", "en")
        assert settings.content_md5.hex() == md5(data)
        assert {name.lower(): value for name, value in found.metadata.items()} == {
            "colour": "red",
            "x_2dy": "1",
        }
        client.get_blob_client(key).upload_blob(b"theirs", overwrite=True, metadata={"theirs": "yes"})
        assert read(bucket, name) == b"theirs"
        info = bucket.head_object(name)
        assert (info.md5, info.meta.user) == (md5(b"theirs"), {"theirs": "yes"})
