"""The rules by which large objects are migrated."""

from __future__ import annotations

from mutants.mutant import Mutant

_UNIT = "test/unit/migrate"
_NEW, _SWIFT = f"{_UNIT}/test_new_slo.py", f"{_UNIT}/test_swift_objects.py"
_REPLACED, _DECIDE = f"{_UNIT}/test_replaced_segments.py", f"{_UNIT}/test_decide.py"

LARGE_MIGRATIONS = (
    # what proves an object that is one at the source
    Mutant(
        "the MD5s of the parts must make the ETag",
        "migrate/large/new_slo.py",
        "if found != job.info.etag.lower() and not job.info.opaque_etag:",
        "if False:",
        _NEW,
    ),
    Mutant(
        "parts must follow each other",
        "migrate/large/new_slo.py",
        "if first != position:",
        "if False:",
        _NEW,
    ),
    Mutant(
        "each answer must be about the same version",
        "migrate/large/new_slo.py",
        "if (found.info.etag, found.info.size) != (job.info.etag, job.info.size):",
        "if False:",
        _NEW,
    ),
    Mutant(
        "the whole must have its digest",
        "migrate/large/new_slo.py",
        "whole = ExactBody(body, info.size, expected, algorithm)",
        "whole = ExactBody(body, info.size)",
        _NEW,
    ),
    Mutant(
        "an object whose parts are not known is read twice unless the guess was right",
        "migrate/large/new_slo.py",
        "if part_size and not is_proved:",
        "if False:",
        _NEW,
    ),
    Mutant(
        "nothing is read for what is here",
        "migrate/large/new_slo.py",
        "if found is not None and found.timestamp >= job.version:",
        "if False:",
        _NEW,
    ),
    # what a failure leaves
    Mutant(
        "a failure leaves no new segments",
        "migrate/large/new_segments.py",
        "            self._undo()\n            raise\n",
        "            raise\n",
        _NEW,
    ),
    Mutant(
        "segments of an earlier attempt may belong to a complete object",
        "migrate/large/new_segments.py",
        "if self._writer.find(self._container, name) is None:",
        "if True:",
        _NEW,
    ),
    Mutant(
        "segments that another attempt has overwritten belong to it",
        "migrate/large/new_segments.py",
        "if found is not None and found.timestamp == self._attempt:",
        "if found is not None:",
        _NEW,
    ),
    Mutant(
        "segments of what was not replaced stay",
        "migrate/replaced_segments.py",
        "if isinstance(state, Present) and state.data_timestamp == version.data_timestamp:",
        "if False:",
        _REPLACED,
    ),
    Mutant(
        "an older SLO may have segments to remove",
        "migrate/decide.py",
        "if here < there and local.is_static:",
        "if False:",
        _DECIDE,
    ),
    # large objects of another Swift
    Mutant(
        "segments count only where the bucket's writers may write, or the operator says so",
        "migrate/large/swift_objects.py",
        "if not may_hold_segments(container, self._source.name, self._services.allowed):",
        "if False:",
        _SWIFT,
    ),
    Mutant(
        "a segment must be what the manifest says",
        "migrate/large/swift_objects.py",
        "if result.info.size != entry.size or meta.marks or meta.link is not None:",
        "if False:",
        _SWIFT,
    ),
    Mutant(
        "no manifest names another segment than the source's",
        "migrate/large/swift_objects.py",
        "if not copied and not self._has(place, entry.etag, entry.size):",
        "if False:",
        _SWIFT,
    ),
    Mutant(
        "a segment that is here is not copied again",
        "migrate/large/swift_objects.py",
        "        if self._has(place, entry.etag, entry.size):\n            return 0\n",
        "",
        _SWIFT,
    ),
    Mutant(
        "what is below a prefix is copied once in a pass",
        "migrate/large/swift_objects.py",
        "            if target in self._below:\n                return 0\n",
        "",
        _SWIFT,
    ),
    Mutant(
        "another version than the listed one waits for the next pass",
        "migrate/large/swift_objects.py",
        "if found.info.x_timestamp != job.info.x_timestamp:",
        "if False:",
        _SWIFT,
    ),
    Mutant(
        "objects with equal times and other bytes are reported",
        "migrate/large/comparison.py",
        '    return there.info.etag == local.headers.get("Etag", "").strip(\'"\')\n',
        "    return True\n",
        _SWIFT,
    ),
    Mutant(
        "a link is no other object",
        "migrate/large/comparison.py",
        "    if link is not None or target is not None:\n",
        "    if link is not None and target is not None:\n",
        _SWIFT,
    ),
)
