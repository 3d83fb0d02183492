"""The filter: selects requests for mapped containers, and dispatches them to their handlers.

Other requests pass through at the cost of splitting a path and one dict lookup. See docs/shunt.md for the
place in the pipeline: right of everything that authorises, left of slo, dlo and versioned_writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from swift.common.constraints import valid_api_version
from swift.common.middleware.copy import ServerSideCopyMiddleware
from swift.common.utils import whataremyips

from s3_sync.cluster.container_servers import ContainerServers
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.rings import ObjectRings
from s3_sync.cluster.servers import ObjectServers
from s3_sync.config.credentials.base import Credentials
from s3_sync.errors import ConfigError
from s3_sync.http.pool import Timeouts
from s3_sync.providers.registry import Builder, Registry, build_provider
from s3_sync.providers.wrappers.bulkhead import Bulkhead, BulkheadPolicy
from s3_sync.providers.wrappers.circuit_breaker import BreakerPolicy
from s3_sync.runtime.concurrency import GreenPool
from s3_sync.shunt.account_listings import AccountListings, AccountRequest
from s3_sync.shunt.container_deletes import ContainerDeletes
from s3_sync.shunt.container_requests import ContainerRequests
from s3_sync.shunt.listings import Listings
from s3_sync.shunt.local_dlo import make_detour
from s3_sync.shunt.manifest_cache import LargeObjects
from s3_sync.shunt.mapping_table import MappingTable
from s3_sync.shunt.migrating_containers import MigratingContainers
from s3_sync.shunt.migrating_writes import MigratingWrites
from s3_sync.shunt.object_reads import ObjectReads
from s3_sync.shunt.object_writes import ObjectWrites
from s3_sync.shunt.options import Options
from s3_sync.shunt.proxyfs import ProxyFs
from s3_sync.shunt.request import App, Environ, Request, StartResponse, to_text
from s3_sync.shunt.restores import Restores, max_segments
from s3_sync.shunt.telemetry import RemoteWatcher, shunt_logger
from s3_sync.shunt.visibility import Visibility

#: header of a request for the local cluster only: from the cloud connector, or from an operator
_BYPASS = "HTTP_X_CLOUD_SYNC_SHUNT_BYPASS"
#: header of a request from a daemon or shunt of another Swift: if two of them show each other's objects, it
#: would go round in circles
_HOP = "HTTP_X_CLOUD_SYNC_SHUNT_HOP"
_COPYING = "s3_sync.copying"
Handler = Callable[[Request, StartResponse], Iterable[bytes]]


class CloudShunt:
    """WSGI middleware; ``conf`` is the filter's section. Raises ConfigError for invalid options."""

    def __init__(self, app: App, conf: Mapping[str, str], build: Builder | None = None) -> None:
        """``build``: builds remote accounts, instead of the default builder."""
        self.app = app
        self.options = Options.read(conf)
        self.log = shunt_logger(conf)
        timeouts = Timeouts(connect=self.options.remote_connect_timeout, read=self.options.remote_timeout)
        self.registry = Registry(
            connections=self.options.remote_connections,
            retries=None,  # time.sleep would block the whole proxy; clients retry
            build=build or partial(build_provider, timeouts=timeouts),
            guard=self._guard,
        )
        self._configured = MappingTable(
            self.options.conf_file, self.options.reload_interval, self.registry, self.log
        )
        self._configured.refresh()
        servers = ObjectServers(self.options.restores, whataremyips())
        self._newest = NewestState(ObjectRings(self.options.swift_dir), servers)
        self._migrating = MigratingContainers(
            self.registry, ContainerServers(servers, self.options.swift_dir), self.log
        )
        self._proxyfs = ProxyFs(self.options.handle_proxyfs)
        self._proxyfs.may_appear = self._migrating.may_appear
        self._listings = Listings(self._proxyfs, self.log)
        large = LargeObjects()
        self._restores = Restores(
            GreenPool(self.options.restores),
            self._newest,
            large,
            lambda: self._configured.segment_size,
            self.log,
            self._migrating,
        )
        objects = ObjectReads(
            self._configured.find,
            self._proxyfs,
            large,
            Visibility(self._newest),
            self._restores.begin,
            self.log,
        )
        objects.verifies = self.options.verify_reads
        reads: dict[str, Handler] = {"GET": objects, "HEAD": objects}
        self._serve_mappings(reads)
        self._serve_migrations(reads)
        make_detour(app, self, self._moves)
        if not max_segments(app):
            self.log.error("slo is not to the right of cloud-shunt: large objects will not be restored")
        self._copy = ServerSideCopyMiddleware(self, dict(conf))

    def _serve_mappings(self, reads: dict[str, Handler]) -> None:
        changes = ObjectWrites(self._newest, self._proxyfs, self.log)
        deletes = ContainerDeletes(self._proxyfs, self.log)
        self._for_objects = {**reads, "DELETE": changes.delete, "POST": changes.post}
        self._for_containers: dict[str, Handler] = {"GET": self._listings, "DELETE": deletes.delete}

    def _serve_migrations(self, reads: dict[str, Handler]) -> None:
        containers, proxyfs, newest = self._migrating, self._proxyfs, self._newest
        writes = MigratingWrites(containers, proxyfs, newest, self._restores.run, self.log)
        requests = ContainerRequests(containers, self._listings, proxyfs, newest, self.log)
        self._for_migrating_objects = {
            **reads,
            "PUT": writes.put,
            "DELETE": writes.delete,
            "POST": writes.post,
        }
        self._for_migrating_containers: dict[str, Handler] = {
            "GET": requests.get,
            "HEAD": requests.head,
            "POST": requests.post,
            "DELETE": requests.delete,
        }
        self._accounts = AccountListings(self.registry, proxyfs, self.log)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        copies = method == "COPY" or (method == "PUT" and "HTTP_X_COPY_FROM" in environ)
        if copies and _COPYING not in environ and self._copies_mapped(environ):
            # the copy filter is to our right in this pipeline, so its reads would bypass us
            environ[_COPYING] = True  # a request that copy does not handle comes back unchanged
            answer: Iterable[bytes] = self._copy(environ, start_response)
            return answer
        request = self._request(environ)
        if request is None:
            account = self._account_request(environ) if method == "GET" else None
            if account is not None:
                return self._accounts(account, start_response)
            return self.app(environ, start_response)
        if request.target.mapping.migration is not None:
            handlers = self._for_migrating_objects if request.name else self._for_migrating_containers
        else:
            handlers = self._for_objects if request.name else self._for_containers
        handler = handlers.get(method, self._untouched)
        return handler(request, start_response)

    @staticmethod
    def _untouched(request: Request, start_response: StartResponse) -> Iterable[bytes]:
        return request.app(request.environ, start_response)

    def _request(self, environ: Environ) -> Request | None:
        """Return the request if it is for a mapped container or an object in one, else None."""
        pieces = environ["PATH_INFO"].split("/", 4)
        if len(pieces) < 4 or pieces[0] or _is_marked(environ, _BYPASS):
            return None
        try:
            account, container = to_text(pieces[2]), to_text(pieces[3])
            target = self._configured.find(account, container)
            if target is None or not valid_api_version(pieces[1]):
                return None
            if target.mapping.credentials.may_lead_back and _is_marked(environ, _HOP):
                return None
            name = to_text(pieces[4]) if len(pieces) > 4 else ""
        except UnicodeDecodeError:  # Swift refuses it
            return None
        if name.startswith("\0"):
            return None
        return Request(environ, self.app, self, target, account, container, name)

    def _account_request(self, environ: Environ) -> AccountRequest | None:
        """Return the request if it is for an account into which all buckets of a source are migrated."""
        pieces = environ["PATH_INFO"].rstrip("/").split("/", 3)
        if len(pieces) != 3 or pieces[0] or _is_marked(environ, _BYPASS):
            return None
        try:
            account = to_text(pieces[2])
        except UnicodeDecodeError:  # Swift refuses it
            return None
        migration = self._configured.migration_of(account)
        if migration is None or not valid_api_version(pieces[1]):
            return None
        if migration.credentials.may_lead_back and _is_marked(environ, _HOP):
            return None
        return AccountRequest(environ, self.app, account, migration)

    def _moves(self, environ: Environ) -> bool:
        """Return whether objects of the container are moved. If not, the cluster has all of them, and the
        bucket may have copies of deleted ones."""
        request = self._request(environ)
        return request is not None and not request.target.mapping.profile.retain_local

    def _copies_mapped(self, environ: Environ) -> bool:
        """Return whether a copy's source is in a mapped container. False for a malformed source, which Swift
        refuses."""
        pieces = environ["PATH_INFO"].split("/", 4)
        if len(pieces) < 5 or _is_marked(environ, _BYPASS):
            return False
        account, container = pieces[2], pieces[3]
        if environ["REQUEST_METHOD"] != "COPY":
            source = unquote(environ["HTTP_X_COPY_FROM"], "latin-1").lstrip("/")
            container = source.partition("/")[0]
            account = unquote(environ.get("HTTP_X_COPY_FROM_ACCOUNT", account), "latin-1")
        try:
            return self._configured.find(to_text(account), to_text(container)) is not None
        except UnicodeDecodeError:
            return False

    def _guard(self, credentials: Credentials) -> Bulkhead:
        policy = BulkheadPolicy(
            places=self.options.remote_connections,
            wait=self.options.remote_wait,
            breaker=BreakerPolicy(failures=self.options.remote_failures),
        )
        return Bulkhead(credentials.store_id, policy, RemoteWatcher(credentials.store_id, self.log))


def _is_marked(environ: Environ, header: str) -> bool:
    """Return whether the request has this header.

    Includes dlo's subrequests for such a request: they get few of its keys, but all of ``swift.infocache``.
    """
    if environ.get(header):
        environ.setdefault("swift.infocache", {})[header] = True
    return header in environ.get("swift.infocache", ())


def filter_factory(global_conf: Mapping[str, str], **local_conf: str) -> Callable[[App], Any]:
    """Entry point ``paste.filter_factory``: ``egg:swift-s3-sync#cloud-shunt``."""
    conf = {**global_conf, **local_conf}

    def build(app: App) -> CloudShunt:
        try:
            return CloudShunt(app, conf)
        except ConfigError as error:
            # paste shows the message as it is: one line instead of a traceback through this module
            raise ValueError(f"filter cloud-shunt: {error}") from None

    return build
