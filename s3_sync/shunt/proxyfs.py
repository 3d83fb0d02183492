"""ProxyFS: accounts that are file systems at the same time are served by a filter of their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from swift.common.utils import config_true_value
from swift.proxy.controllers.base import get_account_info, get_container_info

from s3_sync.shunt.request import SOURCE, App, Environ, Request

#: seconds that an account is known for what it is; it never changes in practice
_REMEMBERED = 60.0
_MOST = 10_000


class ProxyFs:
    """``handles``: this filter is for such accounts, and for no others; False = the other way round."""

    def __init__(self, handles: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._handles = handles
        self._now = now
        self._known: dict[str, tuple[bool, float]] = {}

    def is_ours(self, environ: Environ, app: App, account: str) -> bool:
        """Whether this filter is the one for the account."""
        bimodal = environ.get("pfs.is_bimodal")
        if bimodal is None:
            bimodal = self._ask(environ, app, account)
        return bool(config_true_value(bimodal)) is self._handles

    def covers(self, request: Request) -> bool:
        """Whether what is at the remote store shows under the request's name. A container that does not
        exist holds nothing: the local cluster's namespace is the one."""
        if not request.target.can_hold(request.name):
            return False
        container = get_container_info(request.environ, request.app, swift_source=SOURCE)
        exists = container.get("status") not in (404, 410)
        return exists and self.is_ours(request.environ, request.app, request.account)

    def _ask(self, environ: Environ, app: App, account: str) -> bool:
        known, until = self._known.get(account, (False, 0.0))
        if self._now() < until:
            return known
        info = get_account_info(environ, app, swift_source=SOURCE)
        known = bool(config_true_value(info.get("sysmeta", {}).get("proxyfs-bimodal")))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[account] = (known, self._now() + _REMEMBERED)
        return known
