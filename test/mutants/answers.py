"""The rules by which a store's answer is believed."""

from __future__ import annotations

from mutants.mutant import Mutant

_BELIEF = "test/unit/providers/s3/test_belief.py"

ANSWERS = (
    Mutant(
        "an answer without an ETag is no success",
        "providers/s3/upload.py",
        "if not etag or receipt.status",
        "if receipt.status",
        _BELIEF,
    ),
    Mutant(
        "an ETag that is no MD5 is proved by a HEAD",
        "providers/s3/proved_writes.py",
        "        if not expected.matches(headers):\n            raise error\n",
        "",
        _BELIEF,
    ),
    Mutant(
        "a document is read as nothing but what it is",
        "providers/s3/response_checks.py",
        "if root not in roots:",
        "if False:",
        _BELIEF,
    ),
    Mutant(
        "a key of which a store says nothing was not deleted",
        "providers/s3/deletes.py",
        "if key not in errors and key not in response[DELETED]]",
        "if False]",
        _BELIEF,
    ),
    Mutant(
        "a page says of no object that it is not there",
        "providers/s3/errors.py",
        "if status == 404 and (kind := _page(headers)):",
        "if False:",
        _BELIEF,
    ),
    Mutant(
        "other bytes than were asked for are none",
        "providers/s3/download.py",
        "            right = sent == (requested.first, requested.last_of(size))\n",
        "            right = True\n",
        "test/unit/providers/s3/test_download.py",
    ),
    Mutant(
        "a listing settles less where the store's clock is another one",
        "sync/rows/handler.py",
        " - LISTING_TIME_RESOLUTION - listed.clock_offset > ",
        " - LISTING_TIME_RESOLUTION > ",
        "test/unit/sync/rows/test_copies.py",
    ),
    Mutant(
        "a manifest in another Swift is what has its ETag",
        "providers/swift/large_objects.py",
        'if not _is_proved(raw, unquoted(found.get("etag", ""))):',
        "if False:",
        "test/unit/providers/swift/test_large_objects.py",
    ),
    Mutant(
        "a listing with less than the store counts hides no reference",
        "providers/remote_references.py",
        "if is_incomplete(listed, min(totals, default=None)):",
        "if False:",
        "test/unit/providers/test_remote_references.py",
    ),
    Mutant(
        "a segment that an upload has found again is not deleted",
        "sync/lifecycle/left_segments.py",
        "if self._ledger.is_unchanged(entry):",
        "if True:",
        "test/unit/sync/lifecycle/test_left_segments.py",
    ),
    Mutant(
        "what a store has locked is left alone for a day",
        "model/outcomes.py",
        "max(_DAY, pause) if reason in _LASTING else pause",
        "pause",
        "test/unit/sync/test_container_crawl_locks.py",
    ),
    Mutant(
        "a copy that another node has just sent is not taken for one that is locked",
        "sync/rows/handler.py",
        "except (PreconditionFailed, ObjectLocked, LocalChanged, LocalMissing)",
        "except (PreconditionFailed, LocalChanged, LocalMissing)",
        "test/unit/sync/rows/test_faults.py",
    ),
    Mutant(
        "a part is copied from no key that the store may take for another one",
        "providers/s3/multipart.py",
        "if _ENCODED.search(key) and not dialect.copies_parts_of_any_key:",
        "if False:",
        "test/unit/providers/s3/test_multipart.py",
    ),
    Mutant(
        "keys that are listed encoded are decoded",
        "providers/s3/open_uploads.py",
        "return [(unquote(key), upload_id, begun) for key, upload_id, begun in uploads]",
        "return uploads",
        "test/unit/providers/s3/test_open_uploads.py",
    ),
    Mutant(
        "an upload that may be open is not taken for one that is gone",
        "providers/s3/multipart.py",
        "return ids is not None and self.upload_id not in ids",
        "return True",
        "test/unit/providers/s3/test_multipart.py",
    ),
    Mutant(
        "keys that a store has refused are looked up again",
        "providers/s3/ambient_credentials.py",
        "self._is_stale = True",
        "pass",
        "test/unit/providers/s3/test_ambient_credentials.py",
    ),
    Mutant(
        "a store that keeps no underscores is sent none",
        "model/headers.py",
        "return sent if keeps_underscores else _hyphenated(sent)",
        "return sent",
        "test/unit/model/test_headers.py",
    ),
    Mutant(
        "what is stored is what the store's own digest says",
        "providers/s3/upload.py",
        "    if told != md5:",
        "    if False:",
        "test/unit/providers/s3/test_google.py",
    ),
    Mutant(
        "a rule with a condition more or less is nobody's but its author's",
        "providers/s3/google_rules.py",
        "        sorted(_elements(condition)) == names",
        "        True",
        "test/unit/providers/s3/test_google.py",
    ),
    Mutant(
        "a rule that lost its prefix on its way is taken back",
        "providers/s3/lifecycle.py",
        "            if editor is edit_google:",
        "            if False:",
        "test/unit/providers/s3/test_google.py",
    ),
    Mutant(
        "the beginning of an upload is not repeated unseen",
        "providers/wrappers/retry.py",
        "        return self._wrapped(self._bucket.create_upload(name, meta))",
        "        return super().create_upload(name, meta)",
        "test/unit/providers/wrappers/test_retry.py",
    ),
)
