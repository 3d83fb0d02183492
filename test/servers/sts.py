"""A strict fake of AWS's STS, which gives keys for a web identity, and a guard that admits only those keys.

    with Sts(tmp_path, lifetime=4) as sts:
        daemon.environment |= sts.environment
        proxy.when(sts.guard)                    # before a store
        sts.rotate()                             # another token in the file; older ones but the last are void

It runs in threads of the test's own process.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from faults.proxy import Exchange, answers, passes
from servers.in_process import InProcessServer, QuietHandler

ROLE = "arn:aws:iam::123456789012:role/archive"
SESSION = "swift@node-1"
#: tokens that are valid at a time: who has just read the last one must be able to use it
_VALID_TOKENS = 2
_FIELDS = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


@dataclass(frozen=True)
class Issued:
    """Temporary keys; ``expires`` in seconds since the epoch."""

    access_key: str
    secret_key: str
    token: str
    expires: float


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.0"  # each request has a connection of its own
    sts: Sts

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, document = self.sts.answer(dict(self.headers.items()), body)
        self.send_response_only(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        self.wfile.write(document.encode())


class Sts(InProcessServer):
    """``lifetime`` of the keys in seconds. ``used``: the access keys that the guard has admitted, in order of
    their first use; ``refused``: the codes with which it, or STS, has refused something."""

    def __init__(self, directory: Path, lifetime: float = 3600.0) -> None:
        super().__init__(_Handler, sts=self)
        self.lifetime = lifetime
        self.token_file = directory / "token"
        self.tokens: list[str] = []
        self.issued: dict[str, Issued] = {}
        self.revoked: set[str] = set()
        self.used: list[str] = []
        self.refused: list[str] = []
        self.is_down = False
        self._lock = threading.Lock()
        self.rotate()

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know, as Kubernetes or a service manager tells it."""
        return {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.token_file),
            "AWS_ROLE_ARN": ROLE,
            "AWS_ROLE_SESSION_NAME": SESSION,
            "AWS_ENDPOINT_URL_STS": self.endpoint,
            "AWS_REGION": "us-east-1",
        }

    @property
    def secrets(self) -> list[str]:
        """Everything that must be in no log."""
        return self.tokens + [text for each in self.issued.values() for text in (each.secret_key, each.token)]

    def rotate(self, write: bool = True) -> None:
        """``write``: whether the file gets the new token. The form of a token is that of a JWT."""
        self.tokens.append("eyJ" + ".".join(secrets.token_urlsafe(24) for _ in range(3)))
        if write:
            new = self.token_file.with_suffix(".new")
            new.write_text(self.tokens[-1] + "\n")
            new.replace(self.token_file)

    def revoke(self) -> None:
        """The keys given out so far are void, whatever their dates say."""
        self.revoked |= self.issued.keys()

    def answer(self, headers: dict[str, str], body: str) -> tuple[int, str]:
        """To AssumeRoleWithWebIdentity (AWS Security Token Service API Reference): status and document."""
        if self.is_down:
            return 503, ""
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        token = fields.get("WebIdentityToken", "").strip()
        if fields.get("Action") != "AssumeRoleWithWebIdentity" or "Authorization" in headers:
            return self._refuse(400, "InvalidAction", "an unsigned AssumeRoleWithWebIdentity is expected")
        if fields.get("RoleArn") != ROLE or fields.get("RoleSessionName") != SESSION:
            return self._refuse(403, "AccessDenied", "Not authorized to assume this role")
        if token in self.tokens[:-_VALID_TOKENS]:
            return self._refuse(400, "ExpiredTokenException", f"Token expired: {token}")
        if token not in self.tokens:
            return self._refuse(400, "InvalidIdentityToken", "The token is not known")
        return 200, self._issue()

    def _issue(self) -> str:
        with self._lock:
            keys = Issued(
                f"ASIA{len(self.issued):08}",
                secrets.token_urlsafe(30),
                secrets.token_urlsafe(60),
                time.time() + self.lifetime,
            )
            self.issued[keys.access_key] = keys
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(keys.expires))
        inner = (
            f"<AccessKeyId>{keys.access_key}</AccessKeyId><SecretAccessKey>{keys.secret_key}</SecretAccessKey>"
            f"<SessionToken>{keys.token}</SessionToken><Expiration>{until}</Expiration>"
        )
        name = "AssumeRoleWithWebIdentity"
        result = f"<{name}Result><Credentials>{inner}</Credentials></{name}Result>"
        return f'<{name}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}</{name}Response>'

    def _refuse(self, status: int, code: str, message: str) -> tuple[int, str]:
        self.refused.append(code)
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return status, f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"

    # Before a store

    def guard(self, exchange: Exchange) -> None:
        """Only requests that are signed with keys of the role that have not expired get through."""
        code = self._wrong(exchange)
        if code:
            self.refused.append(code)
            answers(403, code)(exchange)
            return
        access_key = _signed(exchange)["Credential"].partition("/")[0]
        if access_key not in self.used:
            self.used.append(access_key)
        passes(exchange)

    def _wrong(self, exchange: Exchange) -> str:
        fields = _signed(exchange)
        keys = self.issued.get(fields.get("Credential", "").partition("/")[0])
        if keys is None:
            return "InvalidAccessKeyId"
        if exchange.call.headers.get("x-amz-security-token") != keys.token:
            return "InvalidToken"
        if time.time() > keys.expires or keys.access_key in self.revoked:
            return "ExpiredToken"
        return "" if _signature(exchange, keys) == fields["Signature"] else "SignatureDoesNotMatch"


def _signed(exchange: Exchange) -> dict[str, str]:
    return dict(_FIELDS.findall(exchange.call.headers.get("authorization", "")))


def _signature(exchange: Exchange, keys: Issued) -> str:
    """What the signature has to be, by somebody else's implementation."""
    headers, fields = exchange.call.headers, _signed(exchange)
    _, _, region, service, _ = fields["Credential"].split("/")
    signed = {name: headers.get(name, "") for name in fields["SignedHeaders"].split(";")}
    url = f"http://{headers['host']}{exchange.request.first.split(' ')[1]}"
    request = AWSRequest(exchange.call.method, url, signed)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = S3SigV4Auth(Credentials(keys.access_key, keys.secret_key), service, region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))
