"""The rules for logins at another Swift, and for requests with a token that may be refused."""

from __future__ import annotations

from mutants.mutant import Mutant

_SWIFT = "test/unit/providers/swift"

LOGINS = (
    Mutant(
        "a refused token is renewed once for all who had it",
        "providers/token_session.py",
        "            if current is not None and current is not old and self._clock() < self._good_until:\n",
        "            if False:\n",
        f"{_SWIFT}/test_session.py",
    ),
    Mutant(
        "refused credentials are not tried again at once",
        "providers/token_session.py",
        "            if self._refusal is not None and self._clock() < self._refused_until:\n",
        "            if False:\n",
        f"{_SWIFT}/test_session.py",
    ),
    Mutant(
        "an object that no token may reach costs no login each time",
        "providers/swift/transport.py",
        "        if self._session.is_denial(refused):\n",
        "        if False:\n",
        f"{_SWIFT}/test_transport.py",
    ),
    Mutant(
        "a body that was read and cannot be rewound is not sent again",
        "providers/swift/transport.py",
        "        if isinstance(request.body, RestartableBody) and not request.body.restart():\n",
        "        if False:\n",
        f"{_SWIFT}/test_transport.py",
    ),
    Mutant(
        "nothing of a body is read before the server asks for it",
        "http/pool.py",
        "left = 0 if self._continue_wait else min(CHUNK, self._size)",
        "left = min(CHUNK, self._size)",
        "test/unit/http/test_connection.py",
    ),
    Mutant(
        "another account is all that changes in a storage URL",
        "providers/swift/auth.py",
        "[*kept, quote(",
        '["", "v1", quote(',
        f"{_SWIFT}/test_auth.py",
    ),
    Mutant(
        "no token of an encrypted login is sent unencrypted",
        "providers/swift/auth.py",
        '    if credentials.auth_url.startswith("https:") and not url.origin.tls:\n',
        "    if False:\n",
        f"{_SWIFT}/test_auth.py",
    ),
    Mutant(
        "what is no answer of Swift's proves no absence",
        "providers/swift/errors.py",
        "    if status == 404 and not is_from_swift(headers):\n",
        "    if False:\n",
        f"{_SWIFT}/test_transport.py",
    ),
)
