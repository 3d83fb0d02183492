"""Keeps the metadata of the local account that of the source's account (``propagate_account_metadata``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping as Dict

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.model.headers import is_field_name, is_field_value
from s3_sync.providers.base import Provider

log = logging.getLogger("swift-s3-migrator")

_PREFIX = "x-account-meta-"
#: set by the local operator; a source that has none must not lift them
_QUOTAS = f"{_PREFIX}quota-"
#: the ACL of an account as clients have it, and where the proxy keeps it (``swift.common.middleware.acl``)
_ACCESS, _STORED_ACCESS = "x-account-access-control", "x-account-sysmeta-core-access-control"


class AccountMetadata:
    """The account's metadata, of one migration. Accounts do not tell when they were changed: the source's
    metadata always wins."""

    def __init__(self, client: LocalSwift, provider: Provider, mapping: Mapping) -> None:
        self._provider = provider
        self._mapping = mapping
        self._writer = ClientWriter(client, mapping.account)

    def reconcile(self) -> bool:
        """Set what is new or different at the source, and remove what is not there. Returns whether anything
        had to change.

        Does nothing unless the migration asks for it and the source is a Swift. Raises the errors of
        ``head_account``, LocalUnavailable, and ObjectRefused (``account_refused``).
        """
        options = self._mapping.migration
        if options is None or not options.propagate_account_metadata:
            return False
        headers = self._provider.head_account()
        if not headers:
            return False
        wanted, local = _wanted(headers), self._local()
        changes = {name: value for name, value in wanted.items() if local.get(name) != value}
        gone = [name for name in local if name not in wanted and not name.startswith(_QUOTAS)]
        changes.update(dict.fromkeys(gone, ""))
        if changes:
            self._post(changes)
        return bool(changes)

    def _local(self) -> dict[str, str]:
        status, headers = self._writer.request("HEAD", headers={"X-Newest": "true"})
        if status == 404:
            return {}
        if status // 100 != 2:
            raise LocalUnavailable(f"HEAD {self._mapping.account}: status {status}")
        lower = {name.lower(): value for name, value in headers.items()}
        return {name: value for name, value in lower.items() if value and _is_stored(name)}

    def _post(self, changes: Dict[str, str]) -> None:
        status, _ = self._writer.request("POST", headers=changes)
        what = f"POST {self._mapping.account}"
        if status // 100 == 4 and status not in (404, 408, 429, 499):
            raise ObjectRefused("account_refused", f"{what}: this cluster refuses it (status {status})")
        if status // 100 != 2:
            raise LocalUnavailable(f"{what}: status {status}")
        log.info("%s: changed as at the source: %s", self._mapping.account, ", ".join(sorted(changes)))


def _wanted(headers: Dict[str, str]) -> dict[str, str]:
    """Return the headers of the source as the local account keeps them."""
    named = {_STORED_ACCESS if name == _ACCESS else name: value for name, value in headers.items()}
    return {
        name: value for name, value in named.items() if value and _is_stored(name) and is_field_value(value)
    }


def _is_stored(name: str) -> bool:
    return name == _STORED_ACCESS or (name.startswith(_PREFIX) and is_field_name(name))
