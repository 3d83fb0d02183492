"""The rules about whose rights count: what users write must not lend them an operator's rights."""

from __future__ import annotations

from mutants.mutant import Mutant

_SYNC = "test/unit/sync"
_CLUSTER = "test/unit/cluster"

RIGHTS = (
    Mutant(
        "a link is followed within its container only",
        "cluster/symlinks.py",
        'if follow == "account" or (follow == "container" and target.container == container):',
        "if True:",
        f"{_CLUSTER}/test_symlinks.py",
    ),
    Mutant(
        "no link is followed into another account",
        "cluster/symlinks.py",
        "    if target.account == account:",
        "    if True:",
        f"{_CLUSTER}/test_symlinks.py",
    ),
    Mutant(
        "a link is copied as a link only into what the mapping copies",
        "cluster/symlinks.py",
        'if is_copied and target.account == account and not target.container.startswith("\\0"):',
        "if True:",
        f"{_CLUSTER}/test_symlinks.py",
    ),
    Mutant(
        "another Swift is never asked to follow a link",
        "providers/swift/reads.py",
        "query=more + ITSELF, headers=headers",
        "query=more, headers=headers",
        "test/cluster/test_swift_links.py",
    ),
    Mutant(
        "no link among the segments of a DLO is followed at another Swift",
        "providers/swift/reads.py",
        '        if target := response.headers.get("x-object-manifest"):',
        '        if False and (target := response.headers.get("x-object-manifest")):',
        "test/cluster/test_swift_rights.py",
    ),
    Mutant(
        "large objects at another Swift are read from the mapping's containers only",
        "model/segment_names.py",
        "            return remote.startswith(self.prefix)",
        "            return True",
        "test/cluster/test_swift_rights.py",
    ),
    Mutant(
        "a DLO that is refused does not keep others' segments at the store",
        "sync/lifecycle/left_segments.py",
        "        except ObjectRefused:",
        "        except NotFound:",
        f"{_SYNC}/lifecycle/test_left_segments.py",
    ),
    Mutant(
        "names with dots are not sent where a proxy makes other paths of them",
        "providers/swift/transport.py",
        "if _DOTS.search(path) and path != _WAY_OUT and self._resolves_dots():",
        "if False:",
        "test/unit/providers/swift/test_transport.py",
    ),
    Mutant(
        "segments of two containers are never joined",
        "largeobject/segment_plan.py",
        "(size + segment.size > largest or segment.container != group[-1].container)",
        "size + segment.size > largest",
        "test/unit/transfer/test_native_upload.py",
    ),
    Mutant(
        "a mark does not make an object at another Swift newer than it is",
        "providers/swift/headers.py",
        "    if not copied_here or _is_too_new(marks, found):",
        "    if not copied_here:",
        "test/unit/providers/swift/test_headers.py",
    ),
    Mutant(
        "a header that HTTP cannot carry holds back no other metadata of a container",
        "model/container_metadata.py",
        " and is_field_name(header)",
        "",
        f"{_SYNC}/passes/test_container_metadata.py",
    ),
    Mutant(
        "only a link to the same target is the copy of a link",
        "transfer/decide.py",
        "    if local.meta.link != remote.meta.link:",
        "    if False:",
        f"{_SYNC}/rows/test_links.py",
    ),
    Mutant(
        "no key for temporary URLs gets to the remote container",
        "model/container_metadata.py",
        '_NEVER = (f"{PREFIX}temp-url-key", ',
        "_NEVER = (",
        f"{_SYNC}/passes/test_container_metadata.py",
    ),
    Mutant(
        "metadata of a container is what all of its replicas have",
        "sync/passes/container_metadata.py",
        "            self._servers.check_metadata(",
        "            (lambda *_: None)(",
        f"{_SYNC}/passes/test_container_metadata.py",
    ),
    Mutant(
        "no object is sent to where its former readers can still read it",
        "sync/passes/container_metadata.py",
        "return not (record.attempts and record.read_acl and record.read_acl != wanted.read_acl)",
        "return True",
        f"{_SYNC}/passes/test_container_metadata.py",
    ),
    Mutant(
        "segments count where a writer of the manifest could write",
        "cluster/segments.py",
        "        if not may_hold_segments(container, self.container, self.allowed):",
        "        if False:",
        f"{_SYNC}/test_segments_elsewhere.py",
    ),
    Mutant(
        "and are deleted nowhere else",
        "sync/lifecycle/segment_cleanup.py",
        "        if not self._may_hold(segment.container):",
        "        if False:",
        f"{_SYNC}/test_segments_elsewhere.py",
    ),
    Mutant(
        "a segment that is an object of the container keeps its name",
        "sync/lifecycle/segment_cleanup.py",
        "if each.segment.container == mapping.container]",
        "if False]",
        f"{_SYNC}/lifecycle/test_segment_index.py",
    ),
)
