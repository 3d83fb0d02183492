"""The rules that keep an operator's bytes, each with what it is without, and the test that notices."""

from __future__ import annotations

from mutants.answers import ANSWERS
from mutants.azure import AZURE
from mutants.cursors import CURSORS
from mutants.division import DIVISION
from mutants.gcs import GCS
from mutants.live import LIVE
from mutants.logins import LOGINS
from mutants.migrations import MIGRATIONS
from mutants.mutant import Mutant
from mutants.rights import RIGHTS
from mutants.shards import SHARDS
from mutants.shares import SHARES
from mutants.shunt import SHUNT
from mutants.swift import SWIFT
from mutants.trials import TRIALS
from mutants.verify import VERIFY

_SYNC = "test/unit/sync"
_CLUSTER = "test/unit/cluster"
_DAEMONS = f"{_SYNC}/test_three_daemons.py"

MUTANTS = (
    *CURSORS,
    *DIVISION,
    *MIGRATIONS,
    *TRIALS,
    Mutant(
        "other nodes' rows are verified after the slack",
        "sync/passes/verify.py",
        "if self._cursors.verify_round_at(row) > now)",
        "if True)",
        f"{_SYNC}/test_container_crawl_nodes.py",
    ),
    # what a name is on both sides
    Mutant(
        "an underscore in a metadata name has the form of Swift's S3 API in Swift only",
        "model/headers.py",
        'name.replace(UNDERSCORE, "_"): encode_value(value)',
        "name: encode_value(value)",
        "test/unit/model/test_headers.py",
    ),
    Mutant(
        "a name with an underscore comes back in the form of Swift's S3 API",
        "model/headers.py",
        'original.get(name, name).replace("_", UNDERSCORE)',
        "original.get(name, name)",
        "test/unit/model/test_headers.py",
    ),
    # what a crash may forget
    Mutant(
        "the cursor moves after the journal",
        "sync/passes/primary.py",
        "        result = batches.run(own, states, tolerant=True)\n        batches.record(",
        "        self._cursors.move(last_row=last)\n"
        "        result = batches.run(own, states, tolerant=True)\n        batches.record(",
        f"{_SYNC}/test_container_crawl_crashes.py",
    ),
    Mutant(
        "failures go into the journal",
        "state/journal.py",
        "                self._record(mapping, failure, now)",
        "                pass",
        f"{_SYNC}/test_container_crawl_failures.py",
    ),
    Mutant(
        "the window is open before rows are handled",
        "sync/passes/primary.py",
        "        journal.open_window(key, self._cursors.database, until)\n",
        "",
        f"{_SYNC}/test_container_crawl_crashes.py",
    ),
    Mutant(
        "what is begun and not ended is not passed by the cursor",
        "sync/rows/batch.py",
        "return last if self.abandoned_from is None else self.abandoned_from - 1",
        "return last",
        f"{_SYNC}/test_container_crawl_stops.py",
    ),
    Mutant(
        "a large object is in the journal before it is passed",
        "sync/rows/batch.py",
        "                settlement.deferred.append(_unsettled(row, outcome))\n",
        "",
        f"{_SYNC}/passes/test_large_objects.py",
    ),
    Mutant(
        "a name in the lane of large objects is left alone",
        "daemon/name_locks.py",
        "            if name in self._claimed:\n                raise",
        "            if False:\n                raise",
        f"{_SYNC}/passes/test_large_objects.py",
    ),
    Mutant(
        "what came while a large object was sent gets its turn",
        "state/journal.py",
        '            " WHERE excluded.timestamp >= unsettled.timestamp",',
        '            " WHERE excluded.timestamp = unsettled.timestamp",',
        f"{_SYNC}/passes/test_large_objects.py",
    ),
    Mutant(
        "an old row settles no newer failure",
        "state/journal.py",
        "if name in known and known[name] <= timestamp",
        "if name in known",
        "test/unit/state/test_journal.py",
    ),
    # what is newest
    Mutant(
        "a majority must answer",
        "cluster/newest.py",
        "if 2 * len(states) <= len(placement.primaries):",
        "if not states:",
        "test/cluster/test_newest.py",
    ),
    Mutant(
        "the newest of all answers counts",
        "cluster/newest.py",
        "newest = max(newest, state, key=_age)",
        "newest = state if isinstance(newest, Unknown) else newest",
        "test/cluster/test_newest.py",
    ),
    Mutant(
        "bytes and metadata have times of their own",
        "cluster/newest.py",
        "return state.data_timestamp, True, state.timestamp",
        "return state.timestamp, True, state.timestamp",
        f"{_CLUSTER}/test_newest.py",
    ),
    Mutant(
        "a view that is older than the row is not acted on",
        "sync/rows/handler.py",
        "        if state.timestamp < written:",
        "        if False:",
        f"{_SYNC}/rows/test_policy.py",
    ),
    Mutant(
        "a copy that is newer than everything here is left alone",
        "transfer/decide.py",
        "marked > local.timestamp",
        "False",
        "test/unit/transfer/test_decide.py",
    ),
    # deletes
    Mutant(
        "only a delete that is the newest state is propagated",
        "sync/rows/delete_handler.py",
        "        if isinstance(state, Present):\n            return Outcome(Kind.SKIPPED, SUPERSEDED)\n"
        "        if not state.by_client:",
        "        if not getattr(state, 'by_client', True):",
        f"{_SYNC}/rows/test_policy.py",
    ),
    Mutant(
        "own tombstones are not propagated: the row",
        "sync/rows/delete_handler.py",
        "        if row.data_timestamp.offset:",
        "        if False:",
        f"{_SYNC}/lifecycle/test_release.py",
    ),
    Mutant(
        "own tombstones are not propagated: the newest state",
        "sync/rows/delete_handler.py",
        "        if not state.by_client:",
        "        if False:",
        f"{_SYNC}/rows/test_policy.py",
    ),
    Mutant(
        "a forgotten delete is no proof",
        "sync/rows/delete_handler.py",
        "        if isinstance(state, Unknown):\n            return self._unproven(row)",
        "        if isinstance(state, Unknown):\n            self._send_delete(row)\n"
        "            return Outcome(Kind.DELETED)",
        f"{_SYNC}/rows/test_policy.py",
    ),
    Mutant(
        "a copy that is newer than the delete stays",
        "sync/rows/delete_handler.py",
        "if remote is not None and is_newer(",
        "if False and is_newer(",
        f"{_SYNC}/rows/test_policy.py",
    ),
    # moves
    Mutant(
        "nothing is given up that the store does not show",
        "sync/lifecycle/release.py",
        "if not self._rules.is_proof(local if large is None else large.info, seen, large):",
        "if False:",
        f"{_SYNC}/lifecycle/test_release.py",
    ),
    Mutant(
        "a copy bears the mark of the version that is given up",
        "transfer/copy_rules.py",
        "if is_older_version_of(remote, as_version(info, self._bucket.features)):",
        "if False:",
        f"{_SYNC}/test_long_absence.py {_SYNC}/lifecycle/test_release.py",
    ),
    Mutant(
        "an old delete is compared with what is stored",
        "sync/passes/primary.py",
        "or (row.deleted and",
        "or (False and",
        f"{_SYNC}/test_long_absence.py",
    ),
    Mutant(
        "the store is asked after it has taken the bytes",
        "sync/rows/handler.py",
        "self._release.release(state, local.info, remote if outcome is PRESENT else None, large)",
        "self._release.release(state, local.info, remote, large)",
        f"{_SYNC}/lifecycle/test_release.py",
    ),
    Mutant(
        "the delete of a move is older than any later write",
        "cluster/guarded_delete.py",
        "version.data_timestamp.after().internal",
        "type(version.data_timestamp)(version.data_timestamp.raw + 10**9, 1).internal",
        _DAEMONS,
    ),
    Mutant(
        "the newest state is asked for directly before the delete of a move",
        "cluster/guarded_delete.py",
        "        if not self._is_newest(account, container, name, version):\n            raise LocalChanged",
        "        if False:\n            raise LocalChanged",
        f"{_CLUSTER}/test_guarded_delete.py",
    ),
    Mutant(
        "a move is for exactly the row's version",
        "sync/rows/handler.py",
        "        if self._release is not None and state.timestamp != row.timestamp:",
        "        if False:",
        f"{_SYNC}/lifecycle/test_release.py",
    ),
    Mutant(
        "a move looks at the remote first",
        "sync/rows/handler.py",
        "        if self._release is not None and isinstance(known, Presumption):",
        "        if False:",
        f"{_SYNC}/lifecycle/test_release.py {_SYNC}/lifecycle/test_release_races.py",
    ),
    Mutant(
        "copy_after is waited for",
        "sync/rows/handler.py",
        "        if not self._is_due(row.timestamp):",
        "        if False:",
        f"{_SYNC}/test_container_crawl_copy_after.py",
    ),
    Mutant(
        "no segment goes that somebody names",
        "sync/lifecycle/segment_cleanup.py",
        "        if to_delete.place in named:",
        "        if False:",
        f"{_SYNC}/lifecycle/test_release_large.py",
    ),
    Mutant(
        "what is named by way of a symlink is named",
        "cluster/accounts.py",
        "[link for link in links if self.has(*link)]",
        "[]",
        f"{_SYNC}/test_account_crawl.py",
    ),
    Mutant(
        "no segment goes that the stored manifest does not name",
        "sync/lifecycle/segment_cleanup.py",
        "        if segment not in stored:",
        "        if False:",
        f"{_SYNC}/lifecycle/test_release_large.py",
    ),
    *RIGHTS,
    # expiry
    Mutant(
        "only the very copy expires that was noted",
        "sync/passes/expiry.py",
        "        if not _is_copy(remote, expiry):",
        "        if False:",
        f"{_SYNC}/passes/test_expiry.py",
    ),
    Mutant(
        "no copy expires before the store's clock says so",
        "sync/passes/expiry.py",
        "+ min(0.0, self._bucket.clock_offset)",
        "",
        f"{_SYNC}/passes/test_expiry.py",
    ),
    Mutant(
        "no copy expires of what was written again",
        "sync/passes/expiry.py",
        "        if not _is_gone(state, expiry):",
        "        if False:",
        f"{_SYNC}/passes/test_expiry.py",
    ),
    Mutant(
        "what has expired is not copied any more",
        "sync/rows/handler.py",
        "        if state.expired:",
        "        if False:",
        f"{_SYNC}/rows/test_policy.py {_SYNC}/rows/test_copies.py",
    ),
    # transfers
    Mutant(
        "nothing is overwritten that was not seen",
        "sync/rows/handler.py",
        "Precondition(if_match=remote.etag, replaces=remote.x_timestamp)",
        "Precondition()",
        f"{_SYNC}/rows/test_copies.py {_SYNC}/rows/test_faults.py",
    ),
    Mutant(
        "a listing settles only what is younger than the row",
        "sync/rows/handler.py",
        "info.last_modified - LISTING_TIME_RESOLUTION - listed.clock_offset > row.timestamp.seconds",
        "True",
        f"{_SYNC}/rows/test_copies.py {_SYNC}/rows/test_policy.py",
    ),
    *ANSWERS,
    Mutant(
        "a body is sent from its start each time",
        "providers/wrappers/retry.py",
        "        body.rewind()",
        "        pass",
        "test/unit/providers/wrappers/test_retry.py",
    ),
    Mutant(
        "the parts together have the object's MD5",
        "transfer/multipart.py",
        "        if whole.hexdigest() != info.md5:",
        "        if False:",
        "test/unit/transfer/test_multipart.py",
    ),
    Mutant(
        "a segment is what its manifest says",
        "cluster/segments.py",
        "return found.info.etag == segment.md5 and found.info.size == segment.size",
        "return True",
        f"{_SYNC}/lifecycle/test_release_large.py test/cluster/test_cluster_segments.py",
    ),
    Mutant(
        "a manifest is what its ETag says",
        "largeobject/manifest.py",
        "if is_md5(etag) and md5_hex(raw) != etag:",
        "if False:",
        "test/unit/largeobject/test_manifest.py",
    ),
    Mutant(
        "an upload that fails is aborted",
        "transfer/upload_session.py",
        "        elif completed or _try_abort(handle):",
        "        else:",
        "test/unit/transfer/test_multipart.py",
    ),
    Mutant(
        "what the store may be completing is not aborted",
        "transfer/upload_session.py",
        "        if upload.outcome_unknown:",
        "        if False:",
        "test/unit/transfer/test_multipart.py",
    ),
    Mutant(
        "nor is it after a kill",
        "sync/rows/upload_ledger.py",
        "if each.completing is not None and abs(now - each.completing) <= BEGIN_TIME_TOLERANCE",
        "if False",
        f"{_SYNC}/rows/test_upload_ledger.py",
    ),
    Mutant(
        "an upload that may have begun is remembered",
        "transfer/upload_session.py",
        "            if not error.transient:  # otherwise the upload may be open",
        "            if True:",
        "test/unit/transfer/test_multipart.py",
    ),
    Mutant(
        "the manifest goes before the marks that tell of it",
        "sync/rows/handler.py",
        "            self._bucket.manifests.delete(info.name)",
        "            pass",
        f"{_SYNC}/rows/test_large.py",
    ),
    *SHARDS,
    Mutant(
        "every row that was looked at is counted",
        "sync/rows/batch.py",
        "            self._tally.add(outcome)\n            if outcome.settled:",
        "            if outcome.settled:",
        f"{_SYNC}/test_container_crawl.py",
    ),
    *LOGINS,
    *GCS,
    *SHARES,
    *SWIFT,
    *SHUNT,
    *LIVE,
    *VERIFY,
    *AZURE,
)
