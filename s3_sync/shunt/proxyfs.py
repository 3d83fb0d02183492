"""ProxyFS: accounts that are also file systems have a filter of their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from swift.common.utils import config_true_value
from swift.proxy.controllers.base import get_account_info, get_container_info

from s3_sync.shunt.request import SOURCE, App, Environ, Request

#: seconds for which an account's type is cached; in practice it never changes
_CACHE_SECONDS = 60.0
_MAX_CACHED = 10_000


class ProxyFs:
    """``handles``: whether this filter serves only such accounts, or only the others."""

    def __init__(self, handles: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._handles = handles
        self._now = now
        #: whether a container that does not exist is shown all the same: one that is still to be migrated
        self.may_appear: Callable[[Request], bool] = lambda request: False
        self._cache: dict[str, tuple[bool, float]] = {}

    def is_ours(self, environ: Environ, app: App, account: str) -> bool:
        """Return whether this filter serves the account."""
        bimodal = environ.get("pfs.is_bimodal")
        if bimodal is None:
            bimodal = self._is_bimodal(environ, app, account)
        return bool(config_true_value(bimodal)) is self._handles

    def covers(self, request: Request) -> bool:
        """Return whether a copy at the remote store is visible under the request's name. A container that
        does not exist in the local cluster has no objects, as the cluster defines the namespace, unless it is
        still to be migrated. Raises RemoteError if that is unknown."""
        if not request.target.can_hold(request.name):
            return False
        container = get_container_info(request.environ, request.app, swift_source=SOURCE)
        if not self.is_ours(request.environ, request.app, request.account):
            return False
        return container.get("status") not in (404, 410) or self.may_appear(request)

    def _is_bimodal(self, environ: Environ, app: App, account: str) -> bool:
        is_bimodal, expires_at = self._cache.get(account, (False, 0.0))
        if self._now() < expires_at:
            return is_bimodal
        info = get_account_info(environ, app, swift_source=SOURCE)
        is_bimodal = bool(config_true_value(info.get("sysmeta", {}).get("proxyfs-bimodal")))
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[account] = (is_bimodal, self._now() + _CACHE_SECONDS)
        return is_bimodal
