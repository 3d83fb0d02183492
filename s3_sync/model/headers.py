"""Metadata tables: Swift's headers <-> ``ObjectMeta`` <-> what S3-like stores keep.

S3's rules (PutObject, "User-defined object metadata"): names are case-insensitive, values travel as
HTTP headers, so that anything but printable ASCII is sent as RFC 2047 encoded words.
"""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Iterable, Mapping
from email.base64mime import header_length as base64_length
from email.charset import BASE64, QP, Charset
from email.quoprimime import header_length as quoted_length
from urllib.parse import quote, unquote

from s3_sync.model.objects import MARKS, STORED_HEADERS, ObjectMeta

USER_PREFIX = "x-object-meta-"
_WORD = re.compile(r"=\?utf-8\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_PLAIN = re.compile(r"[\x20-\x7e]*")
#: RFC 2047 section 2: an encoded word is at most 75 characters; 12 of them are ``=?UTF-8?Q?`` and ``?=``
_WORD_ROOM = 75 - 12


def from_swift(headers: Iterable[tuple[str, str]]) -> ObjectMeta:
    """The metadata in a Swift response to GET or HEAD of an object.

    A user's header with the name of a mark is left out: it would be taken for ours.
    """
    stored: dict[str, str] = {}
    user: dict[str, str] = {}
    marks: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in STORED_HEADERS:
            stored[name] = value
        elif name.startswith(USER_PREFIX):
            if name[len(USER_PREFIX) :] not in MARKS:
                user[name[len(USER_PREFIX) :]] = value
        elif name == "x-object-manifest":
            marks[name] = unquote(value)
        elif name == "x-static-large-object":
            if is_true(value):
                marks[name] = "True"
        elif name == "x-delete-at":
            marks[name] = value
    return ObjectMeta(stored, user, marks)


def to_swift(meta: ObjectMeta) -> dict[str, str]:
    """The headers of a PUT that gives a Swift object this metadata; what kind of object it is, they leave
    open."""
    headers = {name: value for name, value in meta.headers.items() if value}
    headers.update((USER_PREFIX + name, value) for name, value in meta.user.items())
    if "x-delete-at" in meta.marks:
        headers["x-delete-at"] = meta.marks["x-delete-at"]
    return headers


def is_true(value: str) -> bool:
    """Swift's reading of a header that says yes or no (``swift.common.utils.config_true_value``)."""
    return value.lower() in ("true", "1", "yes", "on", "t", "y")


def to_user_metadata(meta: ObjectMeta) -> dict[str, str]:
    """User metadata and marks in the form in which S3-like stores take them: printable ASCII values."""
    sent = {name: encode_value(value) for name, value in meta.user.items()}
    for name, value in meta.marks.items():
        sent[name] = quote(value) if name == "x-object-manifest" else encode_value(value)
    return sent


def from_user_metadata(headers: Mapping[str, str], user_metadata: Mapping[str, str]) -> ObjectMeta:
    """The inverse: ``headers`` with lower-case names, ``user_metadata`` as the store returned it."""
    user: dict[str, str] = {}
    marks: dict[str, str] = {}
    for raw_name, raw_value in user_metadata.items():
        name = raw_name.lower()
        if name == "x-object-manifest":
            marks[name] = unquote(raw_value)
        elif name in MARKS:
            marks[name] = decode_value(raw_value)
        else:
            user[name] = decode_value(raw_value)
    stored = {name: headers[name] for name in STORED_HEADERS if headers.get(name)}
    return ObjectMeta(stored, user, marks)


def encode_value(value: str) -> str:
    """A metadata value as it is sent: itself, or RFC 2047 words joined by single blanks.

    Also encoded are values that would not survive otherwise: outer blanks, which HTTP strips, and
    text that looks like an encoded word.
    """
    if _PLAIN.fullmatch(value) and value == value.strip() and not _WORD.search(value):
        return value
    return " ".join(_encoded_word(chunk) for chunk in _chunks(value))


def decode_value(value: str) -> str:
    """A stored value as the user wrote it. Words in other charsets, and malformed ones, stay as they are."""
    decoded: list[str] = []
    position = 0
    after_word = False
    for match in _WORD.finditer(value):
        word = _decoded_word(match)
        if word is None:
            continue
        between = value[position : match.start()]
        if not (after_word and between.isspace()):  # RFC 2047 section 6.2: blanks between words are glue
            decoded.append(between)
        decoded.append(word)
        position, after_word = match.end(), True
    decoded.append(value[position:])
    return "".join(decoded)


def _encoded_word(text: str) -> str:
    data = text.encode("utf-8")
    charset = Charset("utf-8")
    shorter_base64 = base64_length(data) < quoted_length(data)
    charset.header_encoding = BASE64 if shorter_base64 else QP
    word = charset.header_encode(text)
    encoding, encoded = word[len("=?utf-8?") :].split("?", 1)
    return f"=?UTF-8?{encoding.upper()}?{encoded}"


def _chunks(value: str) -> Iterable[str]:
    """Pieces of whole characters that each fit one encoded word, whichever encoding is chosen."""
    chunk = ""
    for character in value:
        data = (chunk + character).encode("utf-8")
        if chunk and min(base64_length(data), quoted_length(data)) > _WORD_ROOM:
            yield chunk
            chunk = ""
        chunk += character
    yield chunk


def _decoded_word(match: re.Match[str]) -> str | None:
    encoding, text = match.group(1).lower(), match.group(2)
    try:
        if encoding == "b":
            return base64.b64decode(text, validate=True).decode("utf-8")
        return quopri.decodestring(text.replace(" ", "=20").encode("ascii"), header=True).decode("utf-8")
    except ValueError:
        return None
