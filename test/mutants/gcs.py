"""The rules for objects at Google Cloud Storage by its own API."""

from __future__ import annotations

from mutants.mutant import Mutant

_GCS = "test/unit/providers/gcs"

GCS = (
    Mutant(
        "Google: no object stays that has other digests than the bytes sent",
        "providers/gcs/writes.py",
        "            self._discard(what, key, stored)\n",
        "",
        f"{_GCS}/test_lies.py",
    ),
    Mutant(
        "Google: what does not say that it is a listing is none",
        "providers/gcs/listing.py",
        '        if document.get("kind") != OBJECTS or not isinstance(items, list)',
        "        if not isinstance(items, list)",
        f"{_GCS}/test_lies.py",
    ),
    Mutant(
        "an object at Google is replaced only in the state that was seen",
        "providers/gcs/writes.py",
        "        return current.conditions\n",
        "        return {}\n",
        f"{_GCS}/test_bucket.py",
    ),
    Mutant(
        "no older version replaces a newer one of the same bytes at Google",
        "providers/gcs/writes.py",
        "    if ours is not None and theirs is not None and theirs > ours:\n",
        "    if False:\n",
        f"{_GCS}/test_bucket.py",
    ),
    Mutant(
        "the store refuses an upload session whose bytes changed on the way",
        "providers/gcs/resumable.py",
        'hashes = (("X-Goog-Hash", digests.header),)',
        'hashes = (("X-Other", digests.header),)',
        f"{_GCS}/test_resumable.py",
    ),
    Mutant(
        "an upload session continues after the bytes that the store has kept",
        "providers/gcs/resumable.py",
        "            pending, kept = pending[found - kept :], found\n",
        '            pending, kept = b"", kept + len(pending)\n',
        f"{_GCS}/test_resumable.py",
    ),
    Mutant(
        "what is read at Google has the CRC32C that the store states",
        "providers/gcs/reads.py",
        "            if not self._left and self._digest.digest() != self._crc32c:\n",
        "            if False:\n",
        f"{_GCS}/test_bucket.py",
    ),
    Mutant(
        "of a bucket's rules at Google only ours are touched",
        "providers/gcs/lifecycle.py",
        '    return bool({**rule, "condition": {**condition, "age": 0}} == _rule(prefix, 0))\n',
        '    return "age" in condition\n',
        f"{_GCS}/test_bucket.py",
    ),
    Mutant(
        "a composite object is the same only with the same CRC32C",
        "transfer/checksum_proof.py",
        "if body.digest.hexdigest() == remote.crc32c else remote",
        "if body else remote",
        "test/unit/transfer/test_checksum_proof.py",
    ),
    Mutant(
        "a checksum that Google does not take is refused when the file is read",
        "config/credentials/s3.py",
        "        if self.known_store is GOOGLE:  # it",
        "        if False:  # it",
        "test/unit/config/test_s3_dialects.py",
    ),
)
