"""The rules of cloud-shunt for live migrations: what is created, deleted and copied, and for whom."""

from __future__ import annotations

from mutants.mutant import Mutant

_REQUESTS = "test/unit/shunt/test_migrating_requests.py"
_OBJECTS = "test/unit/shunt/test_migrated_objects.py"
_RESTORE = "test/unit/transfer/test_restore.py"

LIVE = (
    Mutant(
        "the source is deleted from only after the cluster has allowed it",
        "shunt/migrating_writes.py",
        "if local.status // 100 != 2 and local.status != 404:",
        "if False:",
        _REQUESTS,
    ),
    Mutant(
        "only a Swift is deleted from",
        "shunt/migrating_writes.py",
        "if request.target.bucket.features.x_timestamp:",
        "if True:",
        _REQUESTS,
    ),
    Mutant(
        "no container is created for who may not write into it",
        "shunt/migrating_writes.py",
        "                and is_allowed(request.environ)\n",
        "",
        _REQUESTS,
    ),
    Mutant(
        "no container is created for who may not read it",
        "shunt/container_requests.py",
        "        if local.status != 404:\n            return local.send(start_response)\n"
        "        local.buffer()\n        return self._again(request, local, start_response)\n\n    def post",
        "        local.buffer()\n        return self._again(request, local, start_response)\n\n    def post",
        _REQUESTS,
    ),
    Mutant(
        "no container is created that the source does not have",
        "shunt/migrating_containers.py",
        "            if headers is None:\n                return False\n",
        "            headers = headers or {}\n",
        _REQUESTS,
    ),
    Mutant(
        "no container is created that a client has deleted",
        "shunt/migrating_containers.py",
        "            if self._is_deleted(request, times):\n                return False\n",
        "",
        _REQUESTS,
    ),
    Mutant(
        "a deleted container stays away when its tombstone is gone",
        "shunt/migrating_containers.py",
        " or DeletedNames(request, request.container).has_container",
        "",
        _REQUESTS,
    ),
    Mutant(
        "a container with objects at the source is not deleted",
        "shunt/container_requests.py",
        "        if conflict:",
        "        if False:",
        _REQUESTS,
    ),
    Mutant(
        "a client's own container gets no state of a migration",
        "shunt/migrating_containers.py",
        'if ContainerState.parse(info.get("sysmeta", {}).get(_SYSMETA)) is not None:',
        "if True:",
        _REQUESTS,
    ),
    Mutant(
        "a container that a client has changed is marked as such",
        "shunt/container_requests.py",
        '        if request.method == "POST":\n            mark_modified(request)\n',
        "",
        _REQUESTS,
    ),
    Mutant(
        "what a client has deleted is not shown from the source",
        "shunt/headers.py",
        " or mapping.migration is not None",
        "",
        _REQUESTS,
    ),
    Mutant(
        "a delete on record holds without a tombstone",
        "shunt/visibility.py",
        "        if is_on_record(lookup, info):",
        "        if False:",
        _REQUESTS,
    ),
    Mutant(
        "a container's system headers at the source are not taken over",
        "model/migration.py",
        "(name in _ACCESS or _is_metadata(name))",
        "True",
        _REQUESTS,
    ),
    Mutant(
        "what a client reads has the source's time in the cluster",
        "transfer/restore.py",
        "version = self.missing_since if self.migrated is None else self.migrated.version",
        "version = self.missing_since",
        _OBJECTS,
    ),
    Mutant(
        "parts are restored as segments only if they make the ETag",
        "transfer/restore.py",
        "    if found != etag.lower():",
        "    if False:",
        _RESTORE,
    ),
    Mutant(
        "segments that the migration copies anyway stay when a restore fails",
        "transfer/restore.py",
        "    if job.migrated is not None and job.manifest is not None:\n        return\n",
        "",
        _RESTORE,
    ),
    Mutant(
        "what a client has deleted is listed no more",
        "shunt/deleted_names.py",
        "        return replace(page, objects=_shown(page.objects, deleted), prefixes=groups)",
        "        return page",
        _OBJECTS,
    ),
    Mutant(
        "segments whose ACL is still at the source are not for everybody",
        "shunt/rights.py",
        "        may_be_gone = False  # but",
        "        may_be_gone = True  # but",
        "test/unit/shunt/test_rights.py",
    ),
)
