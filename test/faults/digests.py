"""A stricter store than the one behind the proxy: it compares digests with bodies, as S3 does."""

from __future__ import annotations

import base64
import hashlib

from faults.proxy import Exchange, answers

_refuses = answers(400, "BadDigest")


def corrupts_in_vain(exchange: Exchange) -> None:
    """One bit of the body changes on the way, and the store notices. Without a digest nobody does."""
    exchange.read_body()
    before = exchange.request.body
    body = bytearray(before)
    body[len(body) // 2] ^= 1
    exchange.request.body = bytes(body)
    headers = exchange.call.headers
    if not any(headers.get(name) == digest for name, digest in _digests(before).items()):
        exchange.forward()
        exchange.reply()
        return
    exchange.request.body = b""
    exchange.request.remove("content-length")
    exchange.request.remove("expect")
    _refuses(exchange)


def _digests(body: bytes) -> dict[str, str]:
    return {
        "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
    }
