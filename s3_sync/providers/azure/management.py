"""Our rules in an account's management policy, beside other people's rules.

Source: "Storage resource provider REST API: Management Policies"; "Configure a lifecycle management policy".
A policy can only be written as a whole, and unconditionally: a change by another client between our read and
our write, some milliseconds, is lost. So it is written only if something has to change, and all other rules
are written back as they were. Ours are recognised by their names. That takes an
identity, at the Resource Manager: neither an account key nor a SAS permits it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    InvalidRequest,
    NotFound,
    NotSupported,
    RemoteError,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.http.network import Network, Url
from s3_sync.http.pool import ConnectionPool, HttpError, Response
from s3_sync.http.retry_after import retry_after_seconds
from s3_sync.providers.azure.identity import TokenCache, token_cache
from s3_sync.providers.http_errors import translated
from s3_sync.streams.small_files import parse_json

_API = "2023-01-01"
_MAX_DOCUMENT = 4 * 1024 * 1024
_MAX_MESSAGE = 200
_NONE = "ManagementPolicyNotFound"
_KINDS: dict[int, type[RemoteError]] = {
    401: CredentialsRefused,
    403: AccessDenied,
    404: NotFound,
    429: Throttled,
}
Rules = list[dict[str, Any]]


class ManagementPolicy:
    """The management policy of one account. Thread-safe."""

    def __init__(self, credentials: AzureCredentials, network: Network) -> None:
        self._credentials = credentials
        self._network = network
        #: mappings may share an account
        self._lock = threading.Lock()
        self._pool: ConnectionPool | None = None
        self._tokens: TokenCache | None = None

    def set_rule(self, container: str, prefixes: Sequence[str], days: int) -> bool:
        """See ``Bucket.set_expiry_rule``; ``prefixes``: of the keys."""
        if reason := self._credentials.no_expiry_rules:
            raise NotSupported(reason)
        places = [f"{container}/{prefix}" for prefix in prefixes]
        with self._lock:
            edited = edit(self._read(), places, days)
            if edited is None:
                return False
            self._request("PUT", {"properties": {"policy": {"rules": edited}}})
            if edit(self._read(), places, days) is not None:
                raise UnexpectedAnswer("write the management policy: the rule was not written", status=200)
            return True

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def _read(self) -> Rules:
        try:
            document = self._request("GET")
        except NotFound as error:
            if error.code != _NONE:
                raise
            return []
        try:
            rules = document["properties"]["policy"]["rules"]
        except (KeyError, TypeError) as error:
            raise UnexpectedAnswer("read the management policy: not a policy", status=200) from error
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise UnexpectedAnswer("read the management policy: its rules are no list", status=200)
        return rules

    def _request(self, method: str, document: Any = None) -> Any:
        what = f"{'read' if method == 'GET' else 'write'} the management policy"
        url = Url.parse(self._credentials.cloud.management)
        if self._pool is None or self._tokens is None:
            self._pool = self._network.pool(url.origin, 1)
            self._tokens = token_cache(self._credentials, f"{self._credentials.cloud.management}/.default")
        headers = [("Authorization", f"Bearer {self._tokens.token()}"), ("Content-Type", "application/json")]
        body = None if document is None else json.dumps(document).encode("utf-8")
        with translated(what), self._pool.request(method, self._target, headers, body) as response:
            if response.status != 200:
                raise _error(what, response)
            data = response.read_all(_MAX_DOCUMENT)
        try:
            return parse_json(data)
        except ValueError as error:
            raise UnexpectedAnswer(f"{what}: not JSON: {error}", status=200) from error

    @property
    def _target(self) -> str:
        given = self._credentials
        names = (given.subscription_id, given.resource_group, given.storage_account.name)
        subscription, group, account = (quote(name or "", safe="") for name in names)
        return (
            f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage"
            f"/storageAccounts/{account}/managementPolicies/default?api-version={_API}"
        )


def rule_name(places: Sequence[str]) -> str:
    """Names of rules have letters and digits only."""
    return f"swifts3sync{hashlib.sha256(json.dumps(list(places)).encode()).hexdigest()[:16]}"


def edit(rules: Rules, places: Sequence[str], days: int) -> Rules | None:
    """Return the rules with one that deletes blobs in these places so many days after their last change; 0
    disables it. None if nothing has to change."""
    name = rule_name(places)
    found = next((rule for rule in rules if rule.get("name") == name), None)
    if found is None:
        return [*rules, _rule(name, places, days)] if days else None
    wanted = copy.deepcopy(found)
    wanted["enabled"] = bool(days)
    if days:
        wanted["definition"] = _rule(name, places, days)["definition"]
    return None if wanted == found else [wanted if rule is found else rule for rule in rules]


def _rule(name: str, places: Sequence[str], days: int) -> dict[str, Any]:
    delete = {"delete": {"daysAfterModificationGreaterThan": days}}
    filters = {"blobTypes": ["blockBlob"], "prefixMatch": list(places)}
    definition = {"actions": {"baseBlob": delete}, "filters": filters}
    return {"name": name, "enabled": True, "type": "Lifecycle", "definition": definition}


def _error(what: str, response: Response) -> RemoteError:
    status = response.status
    try:
        document = parse_json(response.read_all(_MAX_DOCUMENT))
        found = document.get("error", {})
        code, message = str(found.get("code", "")), " ".join(str(found.get("message", "")).split())
    except (HttpError, ValueError, AttributeError):
        code, message = "", ""
    kind = _KINDS.get(status) or (RemoteUnavailable if status >= 500 else InvalidRequest)
    if status == 404 and not code:
        return UnexpectedAnswer(f"{what}: 404, not an answer of the Resource Manager", status=status)
    words = " ".join(word for word in (str(status), code, message[:_MAX_MESSAGE]) if word)
    seconds = retry_after_seconds(response.headers.get("retry-after"))
    return kind(f"{what}: {words}", status=status, code=code, retry_after=seconds)
