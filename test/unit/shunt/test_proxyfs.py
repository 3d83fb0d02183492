"""Accounts that are file systems are served only by the filter that handles them."""

from __future__ import annotations

from typing import Any

import pytest
from swift.common.swob import Request, Response

from s3_sync.shunt.proxyfs import ProxyFs


class App:
    """Answers HEAD of accounts."""

    def __init__(self, **headers: str) -> None:
        self.asked = 0
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.asked += 1
        assert environ["REQUEST_METHOD"] == "HEAD"
        return Response(status=204, headers=self._headers)(environ, start_response)


def environ(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {**Request.blank("/v1/AUTH_a/c/o").environ, **more}
    return found


@pytest.mark.parametrize("handles", [True, False])
@pytest.mark.parametrize("bimodal", [True, False])
def test_is_ours_follows_the_sysmeta_of_the_account(handles: bool, bimodal: bool) -> None:
    headers = {"X_Account_Sysmeta_Proxyfs_Bimodal": "true"} if bimodal else {}
    app = App(**headers)
    proxyfs = ProxyFs(handles)
    for _ in range(3):
        assert proxyfs.is_ours(environ(), app, "AUTH_a") is (handles == bimodal)
    assert app.asked == 1


def test_is_ours_reads_the_account_again_after_a_minute() -> None:
    now = 0.0
    app = App()
    proxyfs = ProxyFs(False, lambda: now)
    proxyfs.is_ours(environ(), app, "AUTH_a")
    now = 61.0
    proxyfs.is_ours(environ(), app, "AUTH_a")
    assert app.asked == 2


@pytest.mark.parametrize("value", [True, "true", False, "no"])
def test_is_ours_follows_the_environ_of_the_proxyfs_filter(value: Any) -> None:
    app = App()
    assert ProxyFs(True).is_ours(environ(**{"pfs.is_bimodal": value}), app, "AUTH_a") is (
        value in (True, "true")
    )
    assert app.asked == 0
