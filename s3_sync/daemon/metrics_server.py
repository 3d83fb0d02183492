"""The metrics endpoint for Prometheus: `GET /metrics` over plain HTTP, nothing else.

It has its own accept loop because the one of `socketserver` polls, and each poll stalls a process of green
threads; this one blocks in `accept`.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

from prometheus_client import CollectorRegistry, generate_latest

from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("s3-sync.metrics")

#: seconds after which an idle client is disconnected
CLIENT_TIMEOUT = 10.0
#: seconds without accepting connections after an error: descriptors may have run out
ACCEPT_RETRY_DELAY = 1.0


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    registry: CollectorRegistry
    scraping: threading.Lock
    log_once: LogOnce

    def handle_error(self, request: object, client_address: object) -> None:
        """Log the error instead of a traceback on stderr; a disconnected client only at DEBUG."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            log.debug("A metrics client has disconnected: %s", error)
        elif error is not None:
            self.log_once.exception(log, error, "Cannot render metrics")


class MetricsPort:
    """Listens as soon as it is created; raises OSError when it cannot. ``port`` 0: any free port."""

    def __init__(self, ip: str, port: int, registry: CollectorRegistry) -> None:
        class Server(_Server):
            address_family = socket.AF_INET6 if ":" in ip else socket.AF_INET

            def server_bind(self) -> None:
                # unlike HTTPServer's, without a look-up of the host name, which is slow with a dead resolver
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(self.server_address)
                self.server_address = self.socket.getsockname()

        self._server = Server((ip, port), _Handler)
        self._server.registry = registry
        self._server.scraping = threading.Lock()
        self._server.log_once = LogOnce()
        self.port: int = self._server.server_address[1]
        self._closed = False
        threading.Thread(target=self._listen, name="metrics", daemon=True).start()

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread blocked in accept
        self._server.socket.close()

    def _listen(self) -> None:
        log_once = self._server.log_once
        while not self._closed:
            try:
                request, client = self._server.get_request()
            except OSError as error:
                if not self._closed:
                    level = log_once.level_for("port", str(error))
                    log.log(level, "Cannot accept a metrics connection: %s", error)
                    time.sleep(ACCEPT_RETRY_DELAY)
                continue
            if log_once.clear("port"):
                log.info("Metrics connections are accepted again")
            self._server.process_request(request, client)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_TIMEOUT
    server_version = "swift-s3-sync"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        with self.server.scraping:  # one at a time, which bounds the cost
            page = generate_latest(self.server.registry)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("%s " + format, self.client_address[0], *args)
