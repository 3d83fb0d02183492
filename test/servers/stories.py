"""Plain requests of Swift's API, one story for each part of it, each in a container of its own."""

from __future__ import annotations

import hmac
import io
import json
import tarfile
from dataclasses import dataclass, field
from urllib.parse import quote

from servers.swift_spec import ADMIN, READER, TESTER, TESTER2

BODY = bytes(range(256)) * 100
KEY = "sesame"
FOREVER = 4102444800  # 2100-01-01
NOBODY = ""


@dataclass(frozen=True)
class StepResult:
    """``at``: behind the container's name; ``user``: NOBODY sends no token."""

    method: str
    name: str | None = None
    query: str = ""
    body: bytes = b""
    at: str = ""
    user: str = TESTER.name
    headers: dict[str, str] = field(default_factory=dict)


def step(
    method: str,
    name: str | None = None,
    query: str = "",
    body: bytes = b"",
    *,
    at: str = "",
    user: str = TESTER.name,
    **headers: str,
) -> StepResult:
    """``headers``: with underscores."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return StepResult(method, name, query, body, at, user, sent)


def objects(container: str) -> list[StepResult]:
    return [
        step("GET"),
        step("PUT", "early", "", b"x"),
        step("PUT", X_Container_Meta_Colour="red"),
        step("PUT", "one", "", BODY, X_Object_Meta_K="v", Content_Type="a/b"),
        step("PUT", "two", "", b"two", Content_Encoding="rot13", Cache_Control="no-store"),
        step("PUT", "two", "", b"two", If_None_Match="*"),
        step("PUT", "a/ü %2F", X_Delete_At=str(FOREVER)),
        *(
            step(method, name)
            for name in ("a/ü %2F", "one", "two", "absent", "//")
            for method in ("GET", "HEAD")
        ),
        *(
            step(method, "one", Range=wanted)
            for wanted in ("bytes=5-9", "bytes=999999-", "bytes=-5", "bytes=3-1", "lines=1-2")
            for method in ("GET", "HEAD")
        ),
        step("GET", "one", If_None_Match="*"),
        step("GET", "one", If_Match="other"),
        step("GET", "one", If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT"),
        step("GET", "one", If_Unmodified_Since="Fri, 01 Jan 2010 00:00:00 GMT"),
        step("GET", "absent", If_Match="*"),
        step("GET", "absent", Range="bytes=0-1"),
        step("POST", "one", X_Object_Meta_L="w"),
        step("HEAD", "one"),
        step("POST", "absent", X_Object_Meta_L="w"),
        step("DELETE", "absent"),
        step("OPTIONS", "one", Origin="http://x", Access_Control_Request_Method="GET"),
        step("GET", "one", Origin="http://x"),
        step("DELETE", "two"),
        step("GET", "two"),
        step("HEAD"),
        step("DELETE"),
    ]


def errors(container: str) -> list[StepResult]:
    return [
        step("PUT"),
        step("PUT", "bad", "", b"bad", ETag="0" * 32),
        step("PUT", "bad", "", b"bad", X_Delete_At="1"),
        step("PUT", "bad", "", b"bad", X_Delete_At="soon"),
        step("PUT", "bad", "", b"bad", X_Delete_After="-1"),
        step("PUT", "bad", "", b"bad", X_Object_Manifest="no-slash"),
        step("PUT", "bad", "", b"bad", X_Copy_From="no-slash"),
        step("PUT", "bad", "", b"", X_Copy_From=f"/{container}/absent"),
        step("PUT", "bad", "", b"", X_Copy_From="/absent/absent"),
        step("PUT", "bad", "", b"", X_Symlink_Target="no-slash"),
        step("PUT", "bad", "", b"bad", X_Timestamp="1.0"),
        step("PUT", "bad", "", b"bad", X_Timestamp="now"),
        step("PUT", "bad", "", b"bad", Content_Length="three"),
        step("PUT", "bad", "", b"bad", If_Match="other"),
        step("PUT", "bad", "", b"bad", X_Object_Meta_Long="v" * 300),
        step("PUT", "bad", "", b"bad", **{f"X_Object_Meta_{number}": "v" for number in range(100)}),
        step("PUT", "n" * 1025),
        step("GET", "n" * 1025),
        step("GET", "a\0b"),
        step("GET", "\udc80".encode("utf-8", "surrogateescape").decode("latin-1")),
        step("TRACE", "bad"),
        step("PATCH", "bad"),
        step("COPY", "bad"),
        step("COPY", "bad", Destination="no-slash"),
        step("POST", at="-absent", X_Container_Meta_A="b"),
        step("DELETE", at="-absent"),
        step("HEAD", at="-absent"),
        step("PUT", "o", at="-absent"),
        step("PUT", at="-other", X_Storage_Policy="none"),
        step("PUT", at="n" * 300),
        step("GET", "o", X_Auth_Token="stale"),
        step("GET", "o", user=TESTER2.name),
        step("GET", "o", user=NOBODY),
        step("PUT", "o", "", b"x"),
        step("DELETE"),
        step("GET", "", "format=none"),
    ]


def copies(container: str) -> list[StepResult]:
    there = f"/{container}/three"
    return [
        step("PUT"),
        step("PUT", "one", "", BODY, X_Object_Meta_K="v", Content_Type="a/b"),
        step("COPY", "one", Destination=there),
        step("COPY", "one", Destination=there, X_Fresh_Metadata="true", X_Object_Meta_L="w"),
        step("COPY", "absent", Destination=there),
        step("PUT", "four", X_Copy_From=f"/{container}/one"),
        step("PUT", "five", X_Copy_From=f"/{container}/one", Range="bytes=1-4"),
        step("PUT", "four", X_Copy_From=f"/{container}/one", X_Copy_From_Account=TESTER2.account),
        *(step("GET", name) for name in ("three", "four", "five")),
    ]


def large(container: str) -> list[StepResult]:
    def manifest(*entries: dict[str, object]) -> bytes:
        return json.dumps(entries).encode()

    put = "multipart-manifest=put"
    one, two = {"path": f"/{container}/one"}, {"path": f"/{container}/two"}
    return [
        step("PUT"),
        step("PUT", "one", "", BODY),
        step("PUT", "two", "", b"two"),
        step("PUT", "slo", put, manifest(one, two), X_Object_Meta_K="v"),
        step("PUT", "ranged", put, manifest({**one, "range": "1-5"}, two, {"data": "aW4="})),
        step("PUT", "nested", put, manifest({"path": f"/{container}/slo"}, two)),
        *(
            step("GET", name, query)
            for name in ("slo", "ranged", "nested", "one")
            for query in ("", "part-number=2", "part-number=9", "part-number=x", "multipart-manifest=get")
        ),
        step("HEAD", "slo"),
        step("GET", "slo", Range="bytes=25598-25601"),
        step("GET", "slo", Range="bytes=0-1,25600-25601"),
        step("GET", "slo", "multipart-manifest=get&format=raw"),
        step("POST", "slo", X_Object_Meta_L="w"),
        step("COPY", "slo", Destination=f"/{container}/whole"),
        step("COPY", "slo", "multipart-manifest=get", Destination=f"/{container}/same"),
        step("GET", "whole", "multipart-manifest=get"),
        step("GET", "same"),
        step("PUT", "bad", put, b"{"),
        step("PUT", "bad", put, b"[]"),
        step("PUT", "bad", put, manifest({"path": f"/{container}/absent"})),
        step("PUT", "bad", put, manifest({**one, "etag": "0" * 32})),
        step("PUT", "bad", put, manifest({**one, "size_bytes": 1})),
        step("DELETE", "one", "multipart-manifest=delete"),
        step("PUT", "dlo", X_Object_Manifest=f"{container}/t"),
        step("GET", "dlo"),
        step("GET", "dlo", Range="bytes=1-"),
        step("GET", "dlo", "multipart-manifest=get"),
        step("PUT", "link", X_Symlink_Target=f"{container}/two"),
        step("PUT", "bound", X_Symlink_Target=f"{container}/two", X_Symlink_Target_Etag="0" * 32),
        step("GET", "link"),
        step("GET", "link", "symlink=get"),
        step("PUT", "loop", X_Symlink_Target=f"{container}/loop"),
        step("GET", "loop"),
        step("PUT", "lost", X_Symlink_Target=f"{container}/absent"),
        step("GET", "lost"),
        step("HEAD", "lost", "symlink=get"),
        step("DELETE", "one"),
        step("GET", "slo"),  # a first segment that is not there is a conflict
        step("DELETE", "slo", "multipart-manifest=delete"),
    ]


def listings(container: str) -> list[StepResult]:
    queries = [
        "",
        "prefix=t",
        "prefix=a&delimiter=/",
        "delimiter=/&reverse=on",
        "delimiter=aa",
        "path=a",
        "path=",
        "marker=a/1&end_marker=tz",
        "limit=2",
        "limit=0",
        "limit=x",
        "limit=99999999",
        "format=json",
        "format=xml",
        "format=none",
        "prefix=none",
        "prefix=%ff",
        "states=listing",
        "versions",
    ]
    return [
        step("PUT"),
        *(step("PUT", name, "", b"x") for name in ("a/1", "a/2", "aa", "t", "ü")),
        *(
            step("GET", None, query, Accept=accept)
            for query in queries
            for accept in ("*/*", "application/xml", "image/png")
        ),
        step("GET", "", "prefix=" + container),
    ]


def accounts(container: str) -> list[StepResult]:
    """Those of a container, since an account has other tests' containers, too."""
    return [
        step("PUT"),
        step("PUT", at="-two", X_Storage_Policy="silver"),
        step("POST", X_Container_Meta_A="ü", X_Container_Read=".r:*", X_Container_Write=READER.name),
        step("POST", X_Container_Read="nonsense:*:"),
        step("HEAD"),
        step("HEAD", at="-two"),
        step("POST", X_Remove_Container_Meta_A="x"),
        step("GET"),
        step("GET", user=READER.name),
        step("GET", user=NOBODY),
        step("PUT", "o", "", b"x", user=READER.name),
        step("GET", "o", user=NOBODY),
        step("GET", "o", user=TESTER2.name),
        step("DELETE", "o", user=TESTER2.name),
        step("GET", "o", user=ADMIN.name),
        step("POST", X_Container_Read=".r:*,.rlistings"),
        step("GET", user=NOBODY),
        step("GET", None, "limit=x", user=NOBODY),
        step("POST", X_Container_Meta_Quota_Count="1"),
        step("PUT", "two", "", b"x"),
        step("POST", X_Container_Meta_Quota_Count="none"),
    ]


def web(container: str) -> list[StepResult]:
    return [
        step("PUT", X_Container_Read=".r:*,.rlistings"),
        step("PUT", "index.html", "", b"<p>index</p>", Content_Type="text/html"),
        step("PUT", "sub/page", "", b"page"),
        step("PUT", "404error.html", "", b"<p>lost</p>"),
        step("GET", "", user=NOBODY),
        step("POST", X_Container_Meta_Web_Index="index.html", X_Container_Meta_Web_Error="error.html"),
        *(step("GET", name, user=NOBODY) for name in (None, "", "sub", "sub/", "absent", "sub/page")),
        step("POST", X_Container_Meta_Web_Listings="true", X_Container_Meta_Web_Index="none"),
        *(step("GET", name, user=NOBODY) for name in (None, "", "sub/", "absent/")),
        step("GET", "", user=TESTER.name),
        step("GET", "", X_Web_Mode="true"),
    ]


def links(container: str) -> list[StepResult]:
    """tempurl and formpost."""
    account = TESTER.account

    def signed(method: str, name: str, expires: int = FOREVER, key: str = KEY, more: str = "") -> StepResult:
        path = quote(f"/v1/{account}/{container}/{name}")
        signature = hmac.new(key.encode(), f"{method}\n{expires}\n{path}".encode(), "sha256").hexdigest()
        query = f"temp_url_sig={signature}&temp_url_expires={expires}{more}"
        return step(method, name, query, b"new" if method == "PUT" else b"", user=NOBODY)

    def posted(body: bytes, key: str = KEY) -> StepResult:
        path = quote(f"/v1/{account}/{container}/form-")
        text = "\n".join([path, "", "10", "2", str(FOREVER)]).encode()
        values = {
            "redirect": "",
            "max_file_size": "10",
            "max_file_count": "2",
            "expires": str(FOREVER),
            "signature": hmac.new(key.encode(), text, "sha256").hexdigest(),
        }
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in values.items()
        ]
        parts.append(
            'Content-Disposition: form-data; name="file1"; filename="f"\r\n'
            f"Content-Type: text/plain\r\n\r\n{body.decode()}"
        )
        form = "".join(f"--B\r\n{part}\r\n" for part in parts) + "--B--\r\n"
        kind = "multipart/form-data; boundary=B"
        return step("POST", "form-", "", form.encode(), user=NOBODY, Content_Type=kind)

    return [
        step("PUT", X_Container_Meta_Temp_URL_Key=KEY),
        step("PUT", "one", "", BODY),
        signed("GET", "one"),
        signed("HEAD", "one"),
        signed("GET", "absent"),
        signed("GET", "one", more="&inline"),
        signed("GET", "one", more="&filename=other"),
        signed("GET", "one", key="other"),
        signed("GET", "one", expires=1),
        signed("PUT", "new"),
        signed("DELETE", "new"),
        posted(b"form"),
        posted(b"longer than 10"),
        posted(b"form", key="other"),
        step("GET", "form-f"),
    ]


def bulk(container: str) -> list[StepResult]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("one", "sub/ü", "n" * 99):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"tar"))
    names = [
        f"{container}/one",
        f"{container}/absent",
        quote(f"{container}/sub/ü"),
        "no-container/o",
        container,
    ]
    wanted = {"Accept": "application/json"}
    return [
        step("PUT"),
        step("PUT", None, "extract-archive=tar.gz", packed.getvalue(), **wanted),
        step("PUT", "below", "extract-archive=tar.gz", packed.getvalue(), **wanted),
        step("PUT", None, "extract-archive=tar", b"no archive", **wanted),
        step("PUT", None, "extract-archive=zip", b"", **wanted),
        step("GET"),
        step("GET", "sub/ü"),
        step("POST", None, "bulk-delete", "\n".join(names).encode(), Content_Type="text/plain", **wanted),
        step("POST", None, "bulk-delete", b"", Content_Type="text/plain"),
        step("GET"),
    ]


def versions(container: str) -> list[StepResult]:
    return [
        step("PUT", X_Versions_Enabled="true"),
        step("PUT", "o", "", b"first"),
        step("PUT", "o", "", b"second"),
        step("GET", "o"),
        step("GET", None, "versions"),
        step("DELETE", "o"),
        step("GET", "o"),
        step("GET", "o", "version-id=null"),
        step("GET", "o", "version-id=nonsense"),
        step("GET"),
        step("GET", None, "versions&limit=1"),
        step("HEAD"),
        step("DELETE"),
        step("POST", X_Versions_Enabled="false"),
        step("PUT", "o", "", b"null"),
        step("GET", "o", "version-id=null"),
        step("GET", None, "versions&reverse=1"),
        step("PUT", at="-old"),
        step("PUT", at="-history"),
        step("POST", at="-old", X_History_Location=f"{container}-history"),
        step("PUT", "o", "", b"first", at="-old"),
        step("PUT", "o", "", b"second", at="-old"),
        step("DELETE", "o", at="-old"),
        step("GET", at="-history"),
    ]


STORIES = [objects, errors, copies, large, listings, accounts, web, links, bulk, versions]
