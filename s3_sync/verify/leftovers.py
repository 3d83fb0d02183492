"""Removes what killed runs have left behind, on this machine and on others."""

from __future__ import annotations

import re
import time
from contextlib import suppress

from s3_sync.errors import RemoteError
from s3_sync.providers.base import Bucket, ListQuery

#: seconds after which the probes of another machine are nobody's
_ABANDONED = 3600.0
#: what follows the place of all probes in a key: the machine, and the probe
_PROBE = re.compile(r"[0-9a-f]{8}/.")


def remove_abandoned(bucket: Bucket, now: float | None = None) -> None:
    """Remove probes and uploads that are more than an hour old. ``bucket``: its names are what follows the
    place of all probes. Errors are ignored: the next run tries again."""
    before = (time.time() if now is None else now) + bucket.clock_offset - _ABANDONED
    with suppress(RemoteError):
        after = ""
        while True:
            page = bucket.list_objects(ListQuery(start_after=after))
            for entry in page.objects:
                if _PROBE.match(entry.name) and 0.0 < entry.last_modified < before:
                    bucket.delete_object(entry.name)
            if page.next_after is None:
                break
            after = page.next_after
    with suppress(RemoteError):
        for upload in list(bucket.list_uploads()) if bucket.features.multipart else ():
            if _PROBE.match(upload.name) and 0.0 < upload.begun < before:
                bucket.upload_by_id(upload.name, upload.upload_id).abort()
