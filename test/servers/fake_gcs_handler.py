"""The requests of ``fake_gcs``."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from google.auth import jwt

from servers.fake_gcs import (
    ACCOUNT,
    PROJECT,
    Bucket,
    Chunk,
    Refused,
    Request,
    Stored,
    Upload,
    private_key,
    stamp,
)
from servers.fake_gcs_rules import check_digests, check_fields, check_rule, patch
from servers.in_process import QuietHandler

if TYPE_CHECKING:
    from servers.fake_gcs import FakeGcs

CONDITIONS = {"ifGenerationMatch", "ifMetagenerationMatch"}
PARAMETERS = CONDITIONS | {
    *("fields", "alt", "generation", "uploadType", "upload_id", "kmsKeyName", "project"),
    *("prefix", "delimiter", "startOffset", "maxResults", "pageToken"),
}


class Handler(QuietHandler):
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    gcs: FakeGcs

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, url.path, self.query, len(self.body), headers)
        self.gcs.requests.append(request)
        try:
            if (fault := self.gcs.take_fault(request)) is not None:
                raise Refused(fault.status, fault.reason, fault.message)
            with self.gcs.lock:
                self._route(url.path)
        except Refused as error:
            found = error.refusal
            detail = {"domain": "global", "reason": found.reason, "message": found.message}
            document = {"code": found.status, "message": found.message, "errors": [detail]}
            self.respond(found.status, json.dumps({"error": document}).encode())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("X-GUploader-UploadID", "request-1")
        for name, value in {"Content_Type": "application/json; charset=UTF-8", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def answer(self, document: dict[str, Any]) -> None:
        self.respond(200, json.dumps(document).encode())

    def _route(self, path: str) -> None:
        if path == "/token":
            self._token()
        elif path == "/portal":
            self.respond(200, b"<html>", Content_Type="text/html")
        elif path == "/sts":
            self._exchange()
        elif path.startswith("/computeMetadata/"):
            self._machine(path)
        elif "upload_id" in self.query:
            self._session()
        else:
            self._route_storage(path)

    def _route_storage(self, path: str) -> None:
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.gcs.tokens.get(bearer, 0.0) <= time.time():
            raise Refused(401, "authError", "Invalid Credentials")
        if unknown := self.query.keys() - PARAMETERS:
            raise Refused(400, "invalidParameter", f"Unknown parameters {unknown}")
        match = re.fullmatch(r"(/upload)?/storage/v1/b(?:/([^/]+))?(/o)?(?:/([^/]+))?", path)
        if match is None:
            raise Refused(404, "notFound", "Not Found")
        upload, bucket, objects, name = match.groups()
        if bucket is None:
            return self._buckets()
        found = self.gcs.buckets.get(unquote(bucket))
        if found is None:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        if objects is None:
            return self._bucket(found)
        if name is None:
            return self._insert(found) if upload else self._list(found)
        return self._object(found, unquote(name))

    # Tokens

    def _token(self) -> None:
        """RFC 7523: a JWT that the service account has signed, for the service of tokens."""
        asked = {key: values[0] for key, values in parse_qs(self.body.decode()).items()}
        try:
            claims = jwt.decode(
                asked["assertion"], certs=private_key()[1], audience="https://oauth2.googleapis.com/token"
            )
            assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            assert claims["iss"] == ACCOUNT
            assert "devstorage.full_control" in claims["scope"]
        except Exception:
            error = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return self.respond(400, json.dumps(error).encode())
        return self._issue()

    def _exchange(self) -> None:
        """RFC 8693: the token of another provider for one of Google."""
        asked = {key: values[0] for key, values in parse_qs(self.body.decode()).items()}
        if asked["subject_token"] != "theirs" or asked["audience"] != "//iam.googleapis.com/pool":
            return self.respond(400, b'{"error": "invalid_grant", "error_description": "unknown"}')
        return self._issue()

    def _issue(self) -> None:
        token: dict[str, Any] = {
            "access_token": self.gcs.new_token(),
            "expires_in": self.gcs.life,
            "token_type": "Bearer",
        }
        token["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        self.answer(token)

    def _machine(self, path: str) -> None:
        if self.headers.get("Metadata-Flavor") != "Google":
            return self.respond(403)
        if path.endswith("/token"):
            return self._issue()
        return self.answer({"email": ACCOUNT, "scopes": [], "aliases": ["default"]})

    # Buckets

    def _buckets(self) -> None:
        if self.query.get("project") != PROJECT:
            raise Refused(400, "required", "Required parameter: project")
        buckets = self.gcs.buckets
        if self.command == "GET":
            items = [{"name": name, "timeCreated": stamp(buckets[name].created)} for name in sorted(buckets)]
            return self.answer({"kind": "storage#buckets"} | ({"items": items} if items else {}))
        asked = json.loads(self.body)
        if asked["name"] in buckets:
            raise Refused(409, "conflict", "You already own this bucket.")
        buckets[asked["name"]] = Bucket(asked["name"])
        return self.answer({"name": asked["name"]})

    def _bucket(self, bucket: Bucket) -> None:
        expected = self.query.get("ifMetagenerationMatch")
        if expected not in (None, str(bucket.metageneration)):
            raise Refused(
                412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."
            )
        if self.command == "DELETE":
            if bucket.objects:
                raise Refused(409, "conflict", "The bucket you tried to delete is not empty.")
            del self.gcs.buckets[bucket.name]
            return self.respond(204)
        if self.command == "PATCH":
            lifecycle = json.loads(self.body)["lifecycle"] or {}
            for rule in lifecycle.get("rule", ()):
                check_rule(rule)
            bucket.lifecycle = lifecycle
            bucket.metageneration += 1
        found: dict[str, Any] = {"name": bucket.name, "metageneration": str(bucket.metageneration)}
        return self.answer(found | ({"lifecycle": bucket.lifecycle} if bucket.lifecycle else {}))

    def _list(self, bucket: Bucket) -> None:
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        start = self.query.get("startOffset", "")
        after = base64.b64decode(self.query.get("pageToken", "")).decode()
        limit = min(int(self.query.get("maxResults", "1000")), 1000)
        shown: list[tuple[str, Stored | None]] = []
        for name in sorted(bucket.objects):
            if not name.startswith(prefix) or name < start:
                continue
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            group = name[: end + len(delimiter)] if end >= 0 else None
            if (group or name) <= after or (group and shown and shown[-1][0] == group):
                continue
            shown.append((group or name, None if group else bucket.objects[name]))
        page = shown[:limit]
        found: dict[str, Any] = {
            "items": [stored.resource(bucket.name) for _, stored in page if stored],
            "prefixes": [name for name, stored in page if not stored],
        }
        if len(shown) > limit:
            found["nextPageToken"] = base64.b64encode(page[-1][0].encode()).decode()
        self.answer({"kind": "storage#objects"} | {key: value for key, value in found.items() if value})

    # Objects

    def _object(self, bucket: Bucket, name: str) -> None:
        stored = bucket.objects.get(name)
        if stored is None or self.query.get("generation") not in (None, str(stored.generation)):
            raise Refused(404, "notFound", f"No such object: {bucket.name}/{name}")
        self._check_conditions(stored)
        if self.command == "DELETE":
            self._count_write(bucket, name)
            del bucket.objects[name]
            return self.respond(204)
        if self.command == "PATCH":
            self._count_write(bucket, name)
            patch(stored, json.loads(self.body))
        if self.query.get("alt") == "media":
            return self._media(stored)
        return self.answer(stored.resource(bucket.name))

    def _media(self, stored: Stored) -> None:
        data, headers = stored.data, {"Content_Type": "application/octet-stream"}
        accepts = self.headers.get("Accept-Encoding") or ""
        if stored.fields.get("contentEncoding") == "gzip" and "gzip" not in accepts:
            data = gzip.decompress(data)
        elif "contentEncoding" not in stored.fields and "gzip" in accepts:  # as a proxy may do
            data, headers["Content_Encoding"] = gzip.compress(data), "gzip"
        headers["x_goog_generation"] = str(stored.generation)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if wanted is None:
            return self.respond(200, data, **headers)
        first, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
        if first > last:
            return self.respond(416)
        headers["Content_Range"] = f"bytes {first}-{last}/{len(data)}"
        return self.respond(206, data[first : last + 1], **headers)

    def _insert(self, bucket: Bucket) -> None:
        if self.query.get("uploadType") == "resumable":
            fields = json.loads(self.body)
            upload = Upload(
                bucket.name, fields, dict(self.query), int(self.headers["X-Upload-Content-Length"])
            )
            self._check_conditions(bucket.objects.get(fields["name"]))
            check_fields(fields)
            upload_id = f"session-{len(self.gcs.uploads) + 1}"
            self.gcs.uploads[upload_id] = upload
            place = f"https://storage.googleapis.com{self.path}&upload_id={upload_id}"
            return self.respond(200, Location=place)
        assert self.query["uploadType"] == "multipart"
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        _, described, media, end = self.body.split(b"--" + boundary)
        assert end == b"--\r\n"
        fields = json.loads(described.partition(b"\r\n\r\n")[2])
        data = media.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        return self.answer(self._keep(bucket, fields, data).resource(bucket.name))

    def _keep(self, bucket: Bucket, fields: dict[str, Any], data: bytes) -> Stored:
        check_fields(fields)
        self._check_conditions(bucket.objects.get(fields["name"]))
        check_digests(data, fields.get("md5Hash"), fields.get("crc32c"))
        self._count_write(bucket, fields["name"])
        kept = {key: value for key, value in fields.items() if key not in ("name", "md5Hash", "crc32c")}
        stored = Stored(fields["name"], data, kept, self.gcs.next_generation())
        bucket.objects[stored.name] = stored
        return stored

    def _session(self) -> None:
        upload = self.gcs.uploads.get(self.query["upload_id"])
        if upload is None:
            raise Refused(404, "notFound", "No such session")
        if self.command == "DELETE":
            del self.gcs.uploads[self.query["upload_id"]]
            return self.respond(499)
        if upload.done is None and not self._take_chunk(upload):
            return None
        if upload.done is not None:
            return self.answer(upload.done.resource(upload.bucket))
        kept = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return self.respond(308, **kept)

    def _take_chunk(self, upload: Upload) -> bool:
        """Keep what arrived. Returns False if that was answered, or is not answered."""
        span = self.headers["Content-Range"]
        if span == f"bytes */{upload.size}" and not self.body:
            return True
        match = re.fullmatch(rf"bytes (\d+)-(\d+)/{upload.size}", span)
        assert match is not None
        first, last = int(match[1]), int(match[2])
        is_end = last + 1 == upload.size
        assert first <= len(upload.data)
        assert len(self.body) == last + 1 - first
        self.body = self.body[len(upload.data) - first :]  # what is there already is ignored
        assert is_end or (last + 1 - first) % self.gcs.step == 0
        chunk = self.gcs.chunks.popleft() if self.gcs.chunks else Chunk(len(self.body))
        upload.data += self.body[: chunk.kept]
        if len(upload.data) == upload.size:
            self._finish(upload)
        if chunk.status == 308:
            return True
        if chunk.status == 0:
            self.close_connection = True
            return False
        raise Refused(chunk.status, "backendError", "try again")

    def _finish(self, upload: Upload) -> None:
        bucket, data = self.gcs.buckets[upload.bucket], bytes(upload.data)
        given = dict(
            each.split("=", 1) for each in (self.headers.get("X-Goog-Hash") or "").split(",") if each
        )
        try:
            check_digests(data, given.get("md5"), given.get("crc32c"))
            self.query |= {key: value for key, value in upload.query.items() if key in CONDITIONS}
            upload.done = self._keep(bucket, upload.fields, data)
        except Refused:
            upload.data.clear()
            raise

    def _check_conditions(self, stored: Stored | None) -> None:
        current = {
            "ifGenerationMatch": stored.generation if stored else 0,
            "ifMetagenerationMatch": stored.metageneration if stored else 0,
        }
        if any(self.query.get(name, str(value)) != str(value) for name, value in current.items()):
            raise Refused(
                412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."
            )

    def _count_write(self, bucket: Bucket, name: str) -> None:
        before = self.gcs.written.get((bucket.name, name), 0.0)
        if self.gcs.limits_names and time.monotonic() - before < 1.0:
            what = f"The object {bucket.name}/{name} exceeded the rate limit for object mutation operations"
            raise Refused(429, "rateLimitExceeded", what)
        self.gcs.written[bucket.name, name] = time.monotonic()
