"""The rules by which swift-s3-verify leaves a store as it was, and claims nothing that it has not seen."""

from __future__ import annotations

from mutants.mutant import Mutant

_SESSION = "test/unit/verify/test_session.py"
_CHECKS = "test/unit/providers/checks"

VERIFY = (
    Mutant(
        "nothing is written that could not be deleted",
        "verify/session.py",
        'failed = {"PUT", "DELETE"}  # what cannot be deleted is not written',
        "failed = set()",
        _SESSION,
    ),
    Mutant(
        "no upload is begun that could not be aborted",
        "verify/session.py",
        "                self._probes.may_abort = False",
        "                pass",
        _SESSION,
    ),
    Mutant(
        "what a killed run has left is removed by the next one",
        "providers/checks/probes.py",
        "for name in sorted({*written, *(_listed(bucket) or ())}):",
        "for name in sorted(written):",
        _SESSION,
    ),
    Mutant(
        "young probes of another machine are left alone",
        "verify/leftovers.py",
        "0.0 < entry.last_modified < before",
        "True",
        _SESSION,
    ),
    Mutant(
        "only probes are removed",
        "verify/leftovers.py",
        "if _PROBE.match(entry.name) and",
        "if",
        _SESSION,
    ),
    Mutant(
        "a refusal must be definite to say what a store can do",
        "providers/checks/probes.py",
        "    except (AccessDenied, Throttled, RemoteUnavailable):",
        "    except (AccessDenied, Throttled):",
        f"{_CHECKS}/test_parts.py",
    ),
    Mutant(
        "a condition holds only where the bytes are still the old ones",
        "providers/checks/writes.py",
        "    check_bytes(bucket, name, BODY)\n    return True",
        "    return True",
        f"{_CHECKS}/test_writes.py",
    ),
    Mutant(
        "parts are copied from the key itself, as the bytes show",
        "providers/checks/parts.py",
        '    check_bytes(bucket, name, b"2345")',
        "    pass",
        f"{_CHECKS}/test_parts.py",
    ),
)
