"""A real Keystone, and a Swift whose proxy takes its tokens.

    with Keystone() as keystone, keystone.swift() as cluster:
        keystone.url                     # of version 3, without the version
        keystone.revoke(token)

Its users, projects and endpoints are those that `keystone_child.py` makes. A start copies the template: some
two seconds, most of them Keystone's own imports.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from servers.keystone_child import ADMIN_PASSWORD, PASSWORD
from servers.keystone_packages import command, fetch, template
from servers.process import UNMEASURED, Child
from servers.server import Server
from servers.swift import SwiftCluster
from servers.swift_spec import PIPELINE

#: Swift's middlewares for Keystone's tokens
_FILTERS = """
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = swift
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
token_cache_time = {remembered}
memcache_use_advanced_pool = false
service_token_roles_required = true

[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = member
reseller_admin_role = ResellerAdmin
"""


class Keystone(Server):
    """See the module."""

    name = "keystone"

    def __init__(self, root: Path | None = None) -> None:
        super().__init__(root)
        self.names: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://{self._ports[0].ip}:{self._ports[0].port}"

    def swift(self, remembered: int = -1) -> SwiftCluster:
        """A cluster, not yet started, of which this Keystone's catalogue then tells.

        ``remembered``: for how many seconds it does not ask about a token again; -1: it always asks, so that
        a revoked one is refused at once."""
        pipeline = [name for name in PIPELINE if name not in ("s3api", "tempauth")]
        place = pipeline.index("staticweb")
        pipeline[place:place] = ["authtoken", "keystoneauth"]
        extra = _FILTERS.format(url=self.url, password=PASSWORD, remembered=remembered)
        return SwiftCluster(proxy_pipeline=[*pipeline, "proxy-logging"], proxy_extra=extra)

    def tell_of(self, cluster: SwiftCluster) -> None:
        """Put the address of a running cluster into the catalogue."""
        self._set_port("SWIFT_PORT", cluster.server("proxy").port)

    def revoke(self, token: str) -> None:
        """Revoke a token, as an administrator does."""
        default = {"domain": {"id": "default"}}
        user = {"name": "admin", "password": ADMIN_PASSWORD, **default}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", **default}}
        body = json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()
        tokens, json_type = f"{self.url}/v3/auth/tokens", {"Content-Type": "application/json"}
        with urlopen(Request(tokens, body, json_type), timeout=30) as response:
            own = response.headers["X-Subject-Token"]
        headers = {"X-Auth-Token": own, "X-Subject-Token": token}
        urlopen(Request(tokens, None, headers, method="DELETE"), timeout=30).close()

    def _prepare(self) -> None:
        fetch()
        shutil.copytree(template(), self.root, dirs_exist_ok=True)
        self.names = json.loads((self.root / "names.json").read_text())
        port = self._reserve()
        self._set_port("KEYSTONE_PORT", port.port)
        program = command("serve", str(self.root), str(port.port))
        log = self.log_dir / "keystone.log"
        self.children["keystone"] = Child("keystone", program, log, environment=UNMEASURED, outlive=self.keep)

    def _set_port(self, name: str, port: int) -> None:
        """Replace the name of a port in the catalogue."""
        with closing(sqlite3.connect(self.root / "keystone.db", timeout=30)) as database, database:
            database.execute("UPDATE endpoint SET url = replace(url, ?, ?)", (name, str(port)))
