"""The rules by which a migration deletes, and by which containers follow those of the source."""

from __future__ import annotations

from mutants.large_migrations import LARGE_MIGRATIONS
from mutants.mutant import Mutant

_UNIT = "test/unit/migrate"
_DELETES, _SEGMENTS = f"{_UNIT}/test_deletes.py", f"{_UNIT}/test_own_segments.py"
_CONTAINERS, _ACCOUNT = f"{_UNIT}/test_containers.py", f"{_UNIT}/test_account_migration.py"

MIGRATIONS = (
    # times
    Mutant(
        "nothing gets a time that has not come, at which clients' writes would be lost",
        "model/migration.py",
        "    if version.raw > Timestamp.from_seconds(now).raw:",
        "    if False:",
        f"{_UNIT}/test_future_times.py",
    ),
    Mutant(
        "no source makes its metadata win for good by a time that has not come",
        "migrate/containers.py",
        "        if told > math.ceil(self._clock.now()) * UNITS:",
        "        if False:",
        f"{_UNIT}/test_future_times.py",
    ),
    Mutant(
        "a source that names a container for older versions does not take over a client's",
        "migrate/containers.py",
        "        if not self._mapping.covers_account and not self._is_ours(versions):",
        "        if False:",
        _CONTAINERS,
    ),
    Mutant(
        "a stranger's bucket with the name of a client's container is not shown",
        "shunt/own_buckets.py",
        "        if name not in account.names:\n            raise",
        "        if False:\n            raise",
        "test/unit/shunt/test_own_buckets.py",
    ),
    Mutant(
        "older versions of a single container lead to no other container",
        "config/settings.py",
        'self.parent_key.startswith(f"{self.account}{EVERY_CONTAINER}#")',
        "bool(self.parent_key)",
        _CONTAINERS,
    ),
    # what belongs to a migration
    Mutant(
        "what has no mark is a client's",
        "migrate/ownership.py",
        "    except ValueError:\n        return None\n",
        "    except ValueError:\n        return state\n",
        _DELETES,
    ),
    Mutant(
        "a mark that is not the object's own time was inherited",
        "migrate/ownership.py",
        "marked == state.timestamp and is_from_here",
        "is_from_here",
        _DELETES,
    ),
    Mutant(
        "a mark counts against the last change, not against that of the bytes",
        "migrate/ownership.py",
        "marked == state.timestamp",
        "marked == state.data_timestamp",
        _DELETES,
    ),
    Mutant(
        "what another source had is nothing of which this one knows",
        "migrate/ownership.py",
        " and is_from_here else",
        " else",
        _DELETES,
    ),
    Mutant(
        "a container that a migration from another source has made is left to that",
        "migrate/containers.py",
        'local is not None and local.source in ("", self._digest(container))',
        "local is not None",
        _ACCOUNT,
    ),
    Mutant(
        "an object that expires is left to Swift",
        "migrate/ownership.py",
        " or state.expired:",
        ":",
        _DELETES,
    ),
    # what proves that the source has deleted it
    Mutant(
        "a listing without an object proves nothing",
        "migrate/source_proof.py",
        "        except NotFound:\n            return True\n        return False\n",
        "        except NotFound:\n            return True\n        return True\n",
        _DELETES,
    ),
    Mutant(
        "the bucket itself must be found",
        "migrate/source_proof.py",
        "        self._provider.head_bucket(self._bucket.name)\n",
        "",
        _DELETES,
    ),
    Mutant(
        "a source that lists nothing proves nothing",
        "migrate/source_proof.py",
        "return Verdict.EMPTY",
        "return Verdict.PROVED",
        _DELETES,
    ),
    Mutant(
        "a source that lists nothing with the prefix proves nothing",
        "migrate/source_proof.py",
        "ListQuery(prefix=self._prefix, limit=_FEW)",
        "ListQuery(limit=_FEW)",
        _DELETES,
    ),
    Mutant(
        "each object is asked for at the source",
        "migrate/deletes.py",
        "return found if self._source.lacks(found[0]) else None",
        "return found",
        _DELETES,
    ),
    Mutant(
        "an object about which the source fails stays",
        "migrate/deletes.py",
        "            self._fail(found[0], error)\n            return None\n",
        "            self._fail(found[0], error)\n            return found\n",
        _DELETES,
    ),
    Mutant(
        "a bucket that answers is not gone",
        "migrate/source_proof.py",
        "        return Verdict.UNPROVED\n",
        "        return Verdict.PROVED\n",
        _ACCOUNT,
    ),
    Mutant(
        "a bucket that is listed is not gone",
        "migrate/source_proof.py",
        "if listed and self._bucket not in listed:",
        "if listed:",
        _ACCOUNT,
    ),
    # how much
    Mutant(
        "what was emptied at the source waits for an operator",
        "migrate/deletes.py",
        "        if not self._is_empty:\n            limit",
        "        if True:\n            limit",
        _DELETES,
    ),
    Mutant(
        "a pass deletes no more than it may",
        "migrate/deletes.py",
        "gone if room is None else gone[:room]",
        "gone",
        _DELETES,
    ),
    Mutant(
        "what is deleted counts",
        "migrate/deletes.py",
        "return max(0, allowed - self.deleted)",
        "return max(0, allowed)",
        _DELETES,
    ),
    Mutant(
        "a permission is for what was held when it was given",
        "migrate/deletes.py",
        "return recorded.since <= allowed <= ",
        "return 0.0 < allowed <= ",
        _DELETES,
    ),
    Mutant(
        "a permission of the future is none",
        "migrate/deletes.py",
        " <= self._services.clock.now() + CLOCK_TOLERANCE",
        "",
        _DELETES,
    ),
    Mutant(
        "a number that has grown needs a permission of its own",
        "migrate/deletes.py",
        "if before.count >= held.count:",
        "if True:",
        _DELETES,
    ),
    Mutant(
        "nodes that share a container share what a pass may delete",
        "migrate/deletes.py",
        "math.ceil(min(limits) / self.nodes)",
        "math.ceil(min(limits))",
        _DELETES,
    ),
    # segments
    Mutant(
        "segments are recorded before their manifest goes",
        "migrate/own_segments.py",
        "        self._cleanups.note(mapping.journal_key, cleanup)\n",
        "",
        _SEGMENTS,
    ),
    Mutant(
        "only segments of this version and size are its own",
        "migrate/own_segments.py",
        're.escape(f"{name}/{version.normal}/{manifest.size}/")',
        're.escape(f"{name}/") + "[0-9.]+/[0-9]+/"',
        _SEGMENTS,
    ),
    Mutant(
        "a segment with other bytes is another one",
        "migrate/own_segments.py",
        " or (found.etag, found.size) != (segment.md5, segment.size)",
        "",
        _SEGMENTS,
    ),
    Mutant(
        "segments of a manifest that is still there stay",
        "migrate/own_segments.py",
        "isinstance(state, Present) and state.data_timestamp == _timestamp(cleanup.version)",
        "False",
        _SEGMENTS,
    ),
    Mutant(
        "a manifest that was not deleted keeps its segments",
        "migrate/deletes.py",
        "                services.segments.forget(self._mapping, cleanup)\n                return False\n",
        "                pass\n",
        _SEGMENTS,
    ),
    # containers
    Mutant(
        "a container without a state belongs to clients",
        "migrate/gone_containers.py",
        "if state in (None, ContainerState.SOURCE_DELETED):",
        "if state is ContainerState.SOURCE_DELETED:",
        _ACCOUNT,
    ),
    Mutant(
        "a container that a client has changed is not deleted",
        "migrate/gone_containers.py",
        "containers.state(child.container) is ContainerState.MIGRATING and ",
        "",
        _ACCOUNT,
    ),
    Mutant(
        "an account that lists no bucket has not lost them all",
        "migrate/account_migration.py",
        "        if not listed:\n            level",
        "        if False:\n            level",
        _ACCOUNT,
    ),
    Mutant(
        "other nodes' containers are theirs",
        "migrate/account_migration.py",
        " or self._share(name) is None:",
        ":",
        _ACCOUNT,
    ),
    Mutant(
        "a container that was changed here later stays as it is",
        "migrate/containers.py",
        "if headers and (force or local.is_untouched or self._is_newer(headers, local)):",
        "if headers:",
        _CONTAINERS,
    ),
    Mutant(
        "a change at the source while a container is created is not lost",
        "migrate/containers.py",
        "wrote = is_changed and self._reconcile(container, headers, force=True)",
        "wrote = False",
        _CONTAINERS,
    ),
    Mutant(
        "a container whose source is back is never deleted again",
        "migrate/containers.py",
        "{**changes, CONTAINER_STATE: ContainerState.MODIFIED.value}",
        "changes",
        _CONTAINERS,
    ),
    *LARGE_MIGRATIONS,
)
