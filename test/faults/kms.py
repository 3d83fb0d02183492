"""A bucket that KMS encrypts, made of any other: ETags look like MD5s, and are none.

    proxy.when(encrypts_with_kms)

No emulator does that. The ETag of an object or a part is its MD5 read backwards here, in answers, in
documents, and in the conditions of requests; S3 tells no more of how it makes them than that.
"""

from __future__ import annotations

import re

from faults.proxy import Exchange

_ETAG = re.compile(rb'((?:"|&quot;|&#34;)?)([0-9a-f]{32})(?=-\d+|"|&quot;|&#34;|</ETag>|$)')
_CONDITIONS = ("if-match", "if-none-match", "x-amz-copy-source-if-match")


def encrypts_with_kms(exchange: Exchange) -> None:
    exchange.read_body()
    request = exchange.request
    for name in _CONDITIONS:
        if value := request.header(name):
            request.remove(name)
            request.headers.append((name, _backwards(value.encode()).decode()))
    if exchange.call.method == "POST":  # the parts of an upload to complete
        request.body = _backwards(request.body)
    exchange.forward()
    answer = exchange.answer
    assert answer is not None
    answer.headers = [
        (name, _backwards(value.encode()).decode() if name.lower() == "etag" else value)
        for name, value in answer.headers
    ]
    if answer.header("etag"):
        answer.headers.append(("x-amz-server-side-encryption", " aws:kms"))
    if "xml" in answer.header("content-type"):
        answer.body = _backwards(answer.body)
    exchange.reply()


def _backwards(text: bytes) -> bytes:
    return _ETAG.sub(lambda match: match[1] + match[2][::-1], text)
