"""The lines by which a failure is reported; scripts of earlier versions look for some of them."""

from __future__ import annotations

from http import HTTPStatus

from s3_sync.errors import AccessDenied, RemoteError, SyncError

#: check -> beginning of the line about its failure
FAILED = {
    "PUT": "Unexpected status code checking PUT",
    "POST": "Unexpected status code checking write",
    "HEAD": "Unexpected status code checking HEAD",
    "metadata": "Unexpected headers after setting metadata",
    "GET": "Unexpected status code checking GET",
    "LIST": "Unexpected status code listing bucket",
    "DELETE": "Unexpected status code deleting obj",
}


def failure(check: str, error: SyncError, grant: str = "") -> str:
    """One line. ``grant``: what would permit it."""
    return f"{FAILED.get(check, f'Failed check: {check}')}: {described(error, grant)}"


def described(error: SyncError, grant: str = "") -> str:
    """The status line of the store's response, if there was one, and what it means."""
    text = str(error)
    if isinstance(error, RemoteError) and error.status:
        # of one of several names in a response with 200
        denied = isinstance(error, AccessDenied) and error.status == HTTPStatus.OK
        status = HTTPStatus.FORBIDDEN if denied else error.status
        try:
            phrase = f" {HTTPStatus(status).phrase}"
        except ValueError:
            phrase = ""
        text = f"{int(status)}{phrase}: {text}"
    return f"{text}; needed: {grant}" if grant and isinstance(error, AccessDenied) else text
