"""The rules for copies in another Swift."""

from __future__ import annotations

from mutants.mutant import Mutant

_TRANSFER, _SWIFT = "test/unit/transfer", "test/unit/providers/swift"
_LEFT = "test/unit/sync/lifecycle/test_left_segments.py"

SWIFT = (
    # which objects are copied, and when a copy is complete
    Mutant(
        "no copy that a mapping of an account has written is copied by it",
        "transfer/copy_rules.py",
        "if self._mapping.is_account and self._is_own(local.info):",
        "if False:",
        f"{_TRANSFER}/test_copy_rules.py",
    ),
    Mutant(
        "nothing is sent that the store would delete at once",
        "transfer/copy_rules.py",
        "if expires is None or expires > now + max(0.0, offset):",
        "if True:",
        f"{_TRANSFER}/test_copy_rules.py",
    ),
    Mutant(
        "no object is moved to where it is",
        "transfer/copy_rules.py",
        "if remote is not None and self._moves and self._is_own(info) and self.may_be_source(info, remote):",
        "if False:",
        f"{_TRANSFER}/test_copy_rules.py",
    ),
    Mutant(
        "a copy with another expiry is no proof",
        "transfer/copy_rules.py",
        "if not self._lives_as_it_should(info, remote):",
        "if False:",
        f"{_TRANSFER}/test_copy_rules.py",
    ),
    Mutant(
        "a copy in another Swift without a mark is no proof",
        "transfer/copy_rules.py",
        "return not (self._moves and self._to_swift) or remote.meta.swift_timestamp is not None",
        "return True",
        f"{_TRANSFER}/test_copy_rules.py",
    ),
    Mutant(
        "marks of a copy count in its own place only",
        "model/copies.py",
        'if not found or found[1] != _digest(f"{container}/{key}", 16):',
        "if not found:",
        "test/unit/model/test_copies.py",
    ),
    # writes
    Mutant(
        "an object that was not seen is not overwritten for want of a timestamp",
        "providers/swift/writes.py",
        "if stamp is None or not options.if_absent or self._exists(key):",
        "if stamp is None or not options.if_absent:",
        f"{_SWIFT}/test_writes.py",
    ),
    Mutant(
        "a delete leaves what is younger",
        "providers/swift/writes.py",
        "if version is None or version > deleted_at:",
        "if False:",
        f"{_SWIFT}/test_writes.py",
    ),
    Mutant(
        "another ETag than that of the bytes is no success",
        "providers/swift/writes.py",
        "if etag != (expected := upload.etag()):",
        'if (expected := "") and etag:',
        f"{_SWIFT}/test_writes.py",
    ),
    Mutant(
        "a shunt at the other side is told who asks",
        "providers/swift/transport.py",
        '("X-Auth-Token", token.value), HOP, *request.headers]',
        '("X-Auth-Token", token.value), *request.headers]',
        f"{_SWIFT}/test_transport.py",
    ),
    Mutant(
        "what another Swift asks for is not asked for there again",
        "shunt/middleware.py",
        "if target.mapping.credentials.may_lead_back and _is_marked(environ, _HOP):",
        "if False:",
        "test/unit/shunt/test_hop.py",
    ),
    Mutant(
        "the mark that a copy gets counts among its metadata",
        "providers/limits.py",
        "count = len(sizes) + marked",
        "count = len(sizes)",
        "test/unit/providers/test_limits.py",
    ),
    Mutant(
        "a short page is not taken for the last one",
        "providers/swift/listing.py",
        "return ListPage(objects, groups, keys[-1][len(prefix) :])",
        "return ListPage(objects, groups, keys[-1][len(prefix) :] if len(rows) >= query.limit else None)",
        f"{_SWIFT}/test_listing.py",
    ),
    # large objects
    Mutant(
        "segments are on record before they are sent",
        "transfer/native_upload.py",
        "context.ledger.segments_left([*replaced, *_candidates(large, to_send)])",
        "context.ledger.segments_left(replaced)",
        _LEFT,
    ),
    Mutant(
        "no segment takes the place of an object of another container",
        "transfer/native_upload.py",
        "if source not in (None, quote(planned.container)):",
        "if False:",
        f"{_TRANSFER}/test_native_upload.py",
    ),
    Mutant(
        "no segment is overwritten that is newer there",
        "transfer/native_upload.py",
        "if marked is not None and marked > local.info.timestamp:",
        "if False:",
        f"{_TRANSFER}/test_native_upload.py",
    ),
    Mutant(
        "a combined segment is what its ETag says",
        "transfer/native_upload.py",
        "if result.etag != md5:",
        "if False:",
        f"{_TRANSFER}/test_native_upload.py",
    ),
    Mutant(
        "a DLO is copied when the store lists its segments",
        "transfer/native_upload.py",
        "if planned == listed:",
        "if True:",
        f"{_TRANSFER}/test_native_dlo.py",
    ),
    # segments that are left behind
    Mutant(
        "only the very segment is deleted that was noted",
        "sync/lifecycle/left_segments.py",
        'if segment.etag not in (info.md5, combined) or "swift-source" not in marks:',
        'if "swift-source" not in marks:',
        _LEFT,
    ),
    Mutant(
        "only segments are deleted that this program has written",
        "sync/lifecycle/left_segments.py",
        'if segment.etag not in (info.md5, combined) or "swift-source" not in marks:',
        "if segment.etag not in (info.md5, combined):",
        _LEFT,
    ),
    Mutant(
        "no segment is deleted that an object at the store names",
        "sync/lifecycle/left_segments.py",
        "there = yield from self._named_there(found)",
        "there: dict[Place, set[str]] = {}",
        _LEFT,
    ),
    Mutant(
        "no segment is deleted that is needed here",
        "sync/lifecycle/left_segments.py",
        "here = yield from self._named_here(found)",
        "here: set[Place] = set()",
        _LEFT,
    ),
    Mutant(
        "no segment is deleted that has a row of its own",
        "sync/lifecycle/left_segments.py",
        "if segment.container in self._remote.mirrored:",
        "if False:",
        _LEFT,
    ),
)
