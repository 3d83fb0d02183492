"""DELETE, POST and COPY of archived objects."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import swiftclient

from faults.proxy import FaultProxy, answers
from servers.pair import Store
from servers.shunted import Archive, Shunted

BODY = b"archived" * 1000


class TestDelete:
    @pytest.fixture
    def archive(self, new_archive: Callable[..., Archive]) -> Archive:
        return new_archive(propagate_delete=True)

    def test_delete_of_archived_object_deletes_its_copy(self, archive: Archive) -> None:
        archive.store("o", BODY)
        archive.store("other")
        answer = archive.ask("DELETE", "o")
        assert (answer.status, answer.body) == (204, b"")
        assert archive.stored() == [archive.prefix + "other"]
        assert archive.ask("DELETE", "o").status == archive.get("o").status == 404

    def test_delete_of_large_object_deletes_copy_and_manifest(self, archive: Archive) -> None:
        for query in ("", "multipart-manifest=delete"):
            archive.store_large("slo", [("s", "one", b"1" * 10), ("s", "two", b"2" * 10)])
            assert archive.ask("DELETE", "slo", query).status == 204
            assert archive.stored() == []
        assert archive.ask("DELETE", "slo", "multipart-manifest=delete").status == 404

    def test_delete_of_local_slo_is_left_to_swift(self, archive: Archive) -> None:
        archive.swift.put_container(f"{archive.container}_s")
        archive.swift.put(f"{archive.container}_s", "one", b"1")
        manifest = b'[{"path": "/%s_s/one"}]' % archive.container.encode()
        archive.swift.request("PUT", archive.container, "slo", query="multipart-manifest=put", body=manifest)
        answer = archive.ask("DELETE", "slo", "multipart-manifest=delete")
        assert b"Number Deleted: 2" in answer.body

    def test_delete_of_absent_object_is_404(self, archive: Archive) -> None:
        assert archive.ask("DELETE", "absent").status == 404

    def test_delete_of_expired_copy_is_404(self, archive: Archive) -> None:
        archive.store("o", BODY, {"x-delete-at": str(int(time.time()) - 5)})
        assert archive.ask("DELETE", "o").status == 404

    def test_delete_of_copy_with_newer_timestamp_is_409(self, archive: Archive) -> None:
        archive.store("o", BODY, {"swift-timestamp": f"{time.time() + 1000:.5f}"})
        assert archive.ask("DELETE", "o").status == 409
        assert archive.get("o").body == BODY

    def test_delete_with_failing_store_leaves_the_copy_to_the_daemon(
        self, new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy
    ) -> None:
        archive = new_archive(store=s3api.behind(remote.endpoint), propagate_delete=True)
        archive.store("o", BODY)
        remote.when(answers(503), method="POST", times=1)  # of the multi-object delete
        assert archive.ask("DELETE", "o").status == 204
        assert archive.stored() == [archive.prefix + "o"]
        assert archive.get("o").status == 404  # the tombstone hides it until the daemon has deleted it
        archive.store("p", BODY)
        remote.when(answers(503), method="HEAD", times=1)
        assert archive.ask("DELETE", "p").status == 404

    def test_delete_without_propagate_delete_keeps_the_copy(
        self, new_archive: Callable[..., Archive]
    ) -> None:
        archive = new_archive(propagate_delete=False)
        archive.store("o", BODY)
        assert archive.ask("DELETE", "o").status == 404
        assert archive.get("o").body == BODY

    def test_delete_without_write_right_is_403(self, archive: Archive, shunted: Shunted) -> None:
        archive.store("o", BODY)
        other = shunted.client("test:tester3", archive.swift.account)
        with pytest.raises(swiftclient.ClientException) as refused:
            other.delete_object(archive.container, "o")
        assert refused.value.http_status == 403
        assert archive.get("o").body == BODY


class TestPost:
    def test_post_replaces_the_metadata_of_the_copy(self, new_archive: Callable[..., Archive]) -> None:
        archive = new_archive(propagate_post=True)
        archive.store("o", BODY, {"old": "x"}, ContentType="a/b", ContentDisposition="inline")
        before = archive.get("o").headers
        sent = {"X-Object-Meta-Colour": "grün", "X-Delete-After": "1000", "Content-Encoding": "rot13"}
        answer = archive.swift.ask("POST", archive.container, "o", headers=sent)
        assert answer.status == 202
        got = archive.get("o")
        assert got.body == BODY
        assert got.headers["x-object-meta-colour"] == "grün"
        assert abs(int(got.headers["x-delete-at"]) - time.time() - 1000) < 60
        assert got.headers["content-encoding"] == "rot13"
        assert "x-object-meta-old" not in got.headers
        assert "content-disposition" not in got.headers
        assert (got.headers["content-type"], got.headers["etag"]) == ("a/b", before["etag"])
        assert float(got.headers["x-timestamp"]) > float(before["x-timestamp"])
        assert archive.ask("POST", "absent", X_Object_Meta_K="v").status == 404

    def test_post_to_copy_hidden_by_a_tombstone_is_404(
        self, new_archive: Callable[..., Archive], s3api: Store, remote: FaultProxy
    ) -> None:
        archive = new_archive(s3api.behind(remote.endpoint), propagate_delete=True, propagate_post=True)
        archive.store("o", BODY)
        remote.when(answers(503), method="POST", times=1)  # of the multi-object delete
        assert archive.ask("DELETE", "o").status == 204
        assert archive.ask("POST", "o", X_Object_Meta_K="v").status == 404
        assert archive.get("o").status == 404
        archive.store("o", BODY, {"swift-timestamp": f"{time.time():.5f}"})
        assert archive.ask("POST", "o", X_Object_Meta_K="v").status == 202
        assert archive.get("o").headers["x-object-meta-k"] == "v"

    def test_post_to_large_object_keeps_it_large(self, new_archive: Callable[..., Archive]) -> None:
        archive = new_archive(propagate_post=True)
        archive.store_large("slo", [("s", "one", b"1" * 10), ("s", "two", b"2" * 10)])
        etag = archive.get("slo").headers["etag"]
        assert archive.ask("POST", "slo", X_Object_Meta_Colour="red").status == 202
        got = archive.get("slo")
        assert (got.headers["etag"], got.headers["x-object-meta-colour"]) == (etag, "red")
        assert archive.get("slo", "part-number=2").body == b"2" * 10

    def test_post_of_metadata_too_large_for_the_store_is_400(
        self, new_archive: Callable[..., Archive]
    ) -> None:
        archive = new_archive(propagate_post=True)
        archive.store("o", BODY)
        headers = {f"X_Object_Meta_K{number}": "v" * 250 for number in range(10)}
        answer = archive.ask("POST", "o", **headers)
        assert answer.status == 400
        assert b"metadata" in answer.body

    def test_post_with_stored_header_that_is_not_utf_8_is_400(
        self, new_archive: Callable[..., Archive], shunted: Shunted
    ) -> None:
        archive = new_archive(propagate_post=True)
        archive.store("o", BODY)

        def post(name: str, value: str) -> int:
            connection = http.client.HTTPConnection(urlsplit(shunted.s3_endpoint).netloc, timeout=60)
            connection.putrequest("POST", f"/v1/{archive.swift.account}/{archive.container}/o")
            headers = {"X-Auth-Token": archive.swift.token, "X-Object-Meta-K": "v", name: value}
            for header in headers.items():
                connection.putheader(*(text.encode("latin-1") for text in header))
            connection.endheaders()
            status = connection.getresponse().status
            connection.close()
            return status

        assert post("User-Agent", "caf\xe9") == 202  # it is not kept
        assert post("Content-Disposition", "caf\xe9") == 400
        assert post("X-Object-Meta-Caf\xc3\xa9", "v") == 400
        assert archive.get("o").headers["x-object-meta-k"] == "v"

    def test_post_without_propagate_post_changes_nothing(self, new_archive: Callable[..., Archive]) -> None:
        archive = new_archive()
        archive.store("o", BODY, {"old": "x"})
        assert archive.ask("POST", "o", X_Object_Meta_New="y").status == 404
        assert archive.get("o").headers["x-object-meta-old"] == "x"


def test_copy_of_archived_object_has_its_bytes_and_metadata(new_archive: Callable[..., Archive]) -> None:
    new_archive().check_copies()
