"""What Keystone's own environment runs; nothing of this project can be imported there.

    python -I keystone_child.py template DIRECTORY     make a database with the users of the tests
    python -I keystone_child.py serve DIRECTORY PORT   serve it, until a signal

`DIRECTORY/names.json` has what the tests must know: IDs and secrets of application credentials.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ADMIN_PASSWORD = "the administrator's password"
PASSWORD = "a password of the tests"
DOMAIN = "lab domain"
PROJECT = "archive"
#: user: the role in the project; "stranger" has none, "other" is of another project
USERS = {"mover": "member", "operator": "ResellerAdmin", "stranger": None}
CONF = """
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{root}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {root}/fernet
[fernet_receipts]
key_repository = {root}/fernet
[credential]
key_repository = {root}/credential
[cache]
enabled = false
[identity]
password_hash_rounds = 4
"""


def main() -> None:
    _, command, directory, *rest = sys.argv
    root = Path(directory).resolve()
    if command == "template":
        make_template(root)
    else:
        serve(root, int(rest[0]))


def write_conf(root: Path) -> Path:
    etc = root / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    conf = etc / "keystone.conf"
    conf.write_text(CONF.format(root=root))
    return conf


def make_template(root: Path) -> None:
    conf = write_conf(root)
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    owner = ["--keystone-user", user, "--keystone-group", group]
    for command in (
        ["db_sync"],
        ["fernet_setup", *owner],
        ["credential_setup", *owner],
        [
            *("bootstrap", "--bootstrap-password", ADMIN_PASSWORD, "--bootstrap-region-id", "north"),
            *("--bootstrap-internal-url", "http://127.0.0.1:KEYSTONE_PORT/v3"),
        ],
    ):
        program = Path(sys.executable).with_name("keystone-manage")
        subprocess.run([str(program), "--config-file", str(conf), *command], check=True)
    server = new_server(root, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = fill(f"http://127.0.0.1:{server.server_port}/v3")
    server.shutdown()
    (root / "names.json").write_text(json.dumps(names, indent=1))


def serve(root: Path, port: int) -> None:
    write_conf(root)
    new_server(root, port).serve_forever()


def new_server(root: Path, port: int) -> Any:
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(root / "etc")
    arguments, sys.argv = sys.argv, sys.argv[:1]  # Keystone reads them
    from keystone.wsgi.api import application
    from werkzeug.serving import WSGIRequestHandler, make_server

    sys.argv = arguments

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

    return make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)


class Api:
    """Keystone's API as one user."""

    def __init__(self, url: str, identity: dict[str, Any], scope: dict[str, Any]) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        user = {"identity": {"methods": ["password"], "password": {"user": identity}}}
        with self._send("POST", "/auth/tokens", {"auth": user | {"scope": scope}}) as response:
            self._headers["X-Auth-Token"] = response.headers["X-Subject-Token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        with self._send(method, path, body) as response:
            return json.loads(response.read() or b"null")

    def create(self, kind: str, **fields: Any) -> str:
        found: str = self.call("POST", f"/{kind}s", {kind: fields})[kind]["id"]
        return found

    def _send(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return urlopen(Request(self._url + path, data, self._headers, method=method), timeout=60)


def fill(url: str) -> dict[str, Any]:
    """Users, projects, roles, application credentials, and the object store in two regions."""
    default = {"domain": {"id": "default"}}
    administrator = {"name": "admin", "password": ADMIN_PASSWORD, **default}
    api = Api(url, administrator, {"project": {"name": "admin", **default}})
    domain = api.create("domain", name=DOMAIN)
    project = api.create("project", name=PROJECT, domain_id=domain)
    other = api.create("project", name="other", domain_id=domain)
    service = api.create("project", name="service", domain_id="default")
    roles = {role["name"]: role["id"] for role in api.call("GET", "/roles")["roles"]}
    roles["ResellerAdmin"] = api.create("role", name="ResellerAdmin")
    users = {}
    for name, role in USERS.items():
        users[name] = api.create("user", name=name, password=PASSWORD, domain_id=domain)
        if role is not None:
            api.call("PUT", f"/projects/{project}/users/{users[name]}/roles/{roles[role]}")
    swift = api.create("user", name="swift", password=PASSWORD, domain_id="default")
    for role in ("admin", "service"):
        if role in roles:
            api.call("PUT", f"/projects/{service}/users/{swift}/roles/{roles[role]}")
    api.create("region", id="south")
    store = api.create("service", type="object-store", name="swift")
    for region, interface, host in (
        ("north", "public", "127.0.0.1"),
        ("north", "internal", "localhost"),
        ("south", "public", "south.test"),
    ):
        place = f"http://{host}:SWIFT_PORT/v1/AUTH_%(project_id)s"
        api.create("endpoint", service_id=store, interface=interface, region_id=region, url=place)
    mover = {"name": "mover", "password": PASSWORD, "domain": {"id": domain}}
    own = Api(url, mover, {"project": {"id": project}})
    secret = secrets.token_urlsafe(16)
    credential = {"name": "for the mover", "secret": secret}
    path = f"/users/{users['mover']}/application_credentials"
    made = own.call("POST", path, {"application_credential": credential})["application_credential"]
    return {"project": project, "other": other, "credential": {**credential, "id": made["id"]}}


if __name__ == "__main__":
    main()
