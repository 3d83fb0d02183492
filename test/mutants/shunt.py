"""The rules of cloud-shunt: what it gives to whom, and where it writes."""

from __future__ import annotations

from mutants.mutant import Mutant

_SHUNT = "test/unit/shunt"

SHUNT = (
    Mutant(
        "no byte for who may not read the segments",
        "shunt/rights.py",
        "    if denied:",
        "    if False:",
        f"{_SHUNT}/test_rights.py",
    ),
    Mutant(
        "the segments of this version are asked for, not those of an earlier one",
        "shunt/manifest_cache.py",
        "        written,\n    )",
        "        '',\n    )",
        f"{_SHUNT}/test_rights.py",
    ),
    Mutant(
        "no POST lets a large object outlive its segments",
        "transfer/prolonging.py",
        "    if later(date, info.expires) == info.expires:",
        "    if True:",
        "test/unit/transfer/test_prolonging.py",
    ),
    Mutant(
        "a restore writes only where a writer of the container could",
        "transfer/restore.py",
        "    if elsewhere:",
        "    if False:",
        "test/unit/transfer/test_restore.py",
    ),
    Mutant(
        "a restored object has its segments where their readers are",
        "transfer/restore.py",
        " and not _has_segments_elsewhere(job)",
        "",
        "test/unit/transfer/test_restore.py",
    ),
    Mutant(
        "no whole object is given to its end that is not what it was",
        "transfer/restore.py",
        "            if found != self._md5:",
        "            if False:",
        f"{_SHUNT}/test_object_reads.py",
    ),
    Mutant(
        "no copy is read of what has expired in the cluster",
        "shunt/visibility.py",
        "return known == copied",
        "return False",
        f"{_SHUNT}/test_visibility.py",
    ),
    Mutant(
        "nobody has an object retrieved who may not read its segments",
        "shunt/object_reads.py",
        "        self._check_rights(lookup, info)\n"
        "        check_link(lookup, self._etags(lookup, info).swift)\n        self._retrievals",
        "        self._retrievals",
        f"{_SHUNT}/test_retrievals.py",
    ),
    Mutant(
        "nothing is retrieved that clients must not see",
        "shunt/object_reads.py",
        "        self._visibility.check(lookup, info)\n"
        "        self._check_rights(lookup, info)\n        check_link",
        "        self._check_rights(lookup, info)\n        check_link",
        f"{_SHUNT}/test_retrievals.py",
    ),
    Mutant(
        "the store is paid for one retrieval of a version, however many clients read it",
        "shunt/retrievals.py",
        "            if note is None or note.until <= self._now():",
        "            if True:",
        f"{_SHUNT}/test_retrievals.py",
    ),
    Mutant(
        "no container has all connections to a store",
        "providers/wrappers/connection_shares.py",
        "return self.free > self.held(holder)",
        "return self.free > 0",
        "test/unit/providers/wrappers/test_connection_shares.py",
    ),
    Mutant(
        "the target of an archived link is read as the client reads it",
        "shunt/archived_links.py",
        "        headers=dict(original.headers),\n",
        "",
        f"{_SHUNT}/test_archived_links.py",
    ),
)
