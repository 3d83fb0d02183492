"""Converts metadata: Swift's headers <-> ``ObjectMeta`` <-> what S3-like stores keep.

S3's rules (PutObject, "User-defined object metadata"): names are case-insensitive, values travel as HTTP
headers, so anything but printable ASCII is sent as RFC 2047 encoded words.

Names with ``_``: Swift's servers drop such headers, so its S3 API keeps ``x-amz-meta-foo_bar`` as
``X-Object-Meta-Foo=5Fbar`` (swift.common.middleware.s3api.s3request). ``ObjectMeta`` has Swift's form, stores
have that of S3. Some stores make hyphens of underscores, or drop such headers: they get ``foo-bar``, and a
mark with the name ``foo_bar``.
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

from s3_sync.errors import ObjectRefused
from s3_sync.model.objects import MARKS, STORED_HEADERS, ObjectMeta

USER_PREFIX = "x-object-meta-"
_WORD = re.compile(r"=\?utf-8\?([bq])\?([^?]*)\?=", re.IGNORECASE)
#: what arrives as one header field; Swift's servers take other names and values from their clients, too
_FIELD_NAME, _FIELD_VALUE = re.compile(r"[^\x00-\x20:\x7f]+"), re.compile(r"[^\r\n\0]*")
_PLAIN = re.compile(r"[\x20-\x7e]*")
#: content-type parameters that only Swift understands
_SWIFT_PARAMETER = re.compile(r"\s*;\s*swift_[^;]*", re.IGNORECASE)
#: RFC 2047 section 2: an encoded word is at most 75 characters; 12 of them are ``=?UTF-8?Q?`` and ``?=``
_MAX_ENCODED_TEXT = 75 - 12
#: an underscore in a metadata name, as Swift's S3 API encodes it; the only character that it encodes
UNDERSCORE = "=5f"
#: the mark for the names that had underscores, separated by commas; none of ``ObjectMeta``
_UNDERSCORES = "swift-underscores"


def from_swift(headers: Iterable[tuple[str, str]]) -> ObjectMeta:
    """Return the metadata in a Swift response to GET or HEAD of an object.

    A user's header with the name of a mark is dropped, because it would be taken for a mark of ours.
    """
    stored: dict[str, str] = {}
    user: dict[str, str] = {}
    marks: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in STORED_HEADERS:
            stored[name] = value
        elif name.startswith(USER_PREFIX):
            if not looks_like_mark(name[len(USER_PREFIX) :]):
                user[name[len(USER_PREFIX) :]] = value
        elif name == "x-object-manifest":
            marks[name] = unquote(value)
        elif name == "x-static-large-object":
            if is_true(value):
                marks[name] = "True"
        elif name == "x-delete-at":
            marks[name] = value
    return ObjectMeta(stored, user, marks)


def lost_underscores(sent: ObjectMeta, stored: ObjectMeta) -> bool:
    """Return whether the store has made hyphens of underscores in metadata names."""
    names = [name for name in sent.user if UNDERSCORE in name and name not in stored.user]
    return any(name.replace(UNDERSCORE, "-") in stored.user for name in names)


def looks_like_mark(name: str) -> bool:
    """Return whether a user's metadata name, in lower case, would be taken for a mark of ours, be it because
    the store makes hyphens of underscores, as Ceph does."""
    return name.replace(UNDERSCORE, "-") in MARKS | {_UNDERSCORES}


def to_swift(meta: ObjectMeta) -> dict[str, str]:
    """Return the headers of a PUT that gives a Swift object this metadata, without those for its kind (SLO,
    DLO)."""
    headers = {name: value for name, value in meta.headers.items() if value}
    headers.update((USER_PREFIX + name, value) for name, value in meta.user.items())
    if "x-delete-at" in meta.marks:
        headers["x-delete-at"] = meta.marks["x-delete-at"]
    return headers


def storable(meta: ObjectMeta) -> dict[str, str]:
    """Return what Swift can keep of the headers of ``to_swift``, for metadata that other programs have
    written.

    What would not arrive as one header, as the decoded text of an encoded word may not, is left out; so are
    parameters of the content type by which Swift itself notes sizes.
    """
    headers = to_swift(meta)
    if "content-type" in headers:
        content_type = _SWIFT_PARAMETER.sub("", headers["content-type"])
        headers["content-type"] = content_type or "application/octet-stream"
    return {name: value for name, value in headers.items() if is_field_name(name) and is_field_value(value)}


def is_field_name(name: str) -> bool:
    return _FIELD_NAME.fullmatch(name) is not None


def is_field_value(value: str) -> bool:
    return _FIELD_VALUE.fullmatch(value) is not None


def is_true(value: str) -> bool:
    """Return whether Swift takes this header value for true (``swift.common.utils.config_true_value``)."""
    return value.lower() in ("true", "1", "yes", "on", "t", "y")


def to_user_metadata(meta: ObjectMeta, keeps_underscores: bool = True) -> dict[str, str]:
    """Return user metadata and marks as S3-like stores accept them: printable ASCII values, and names as S3
    clients know them. A name that still has a ``=`` is none that S3 accepts.

    ``keeps_underscores``: whether the store does. Raises ObjectRefused (``metadata_name_clash``) if it does
    not, and two names differ in nothing else.
    """
    sent = {name.replace(UNDERSCORE, "_"): encode_value(value) for name, value in meta.user.items()}
    for name, value in meta.marks.items():
        sent[name] = quote(value) if name == "x-object-manifest" else encode_value(value)
    return sent if keeps_underscores else _hyphenated(sent)


def _hyphenated(sent: dict[str, str]) -> dict[str, str]:
    names = sorted(name for name in sent if "_" in name)
    if not names:
        return sent
    changed = {name.replace("_", "-"): value for name, value in sent.items()}
    if len(changed) < len(sent):
        detail = f"to the store _ and - are the same in metadata names: {', '.join(names)}"
        raise ObjectRefused("metadata_name_clash", detail)
    changed[_UNDERSCORES] = ",".join(names)
    return changed


def from_user_metadata(headers: Mapping[str, str], user_metadata: Mapping[str, str]) -> ObjectMeta:
    """Reverse ``to_user_metadata``. ``headers`` with lower-case names, ``user_metadata`` as the store
    returned it.

    ``foo=5fbar`` stays as it is: 0.1 stored names so where the store accepted them. Where another program has
    stored ``foo_bar`` as well, both values are joined, as those of any header that is repeated.
    """
    lower = {name.lower(): value for name, value in user_metadata.items()}
    original = {name.replace("_", "-"): name for name in lower.get(_UNDERSCORES, "").lower().split(",")}
    user: dict[str, str] = {}
    marks: dict[str, str] = {}
    for raw_name, raw_value in sorted(user_metadata.items()):
        name = raw_name.lower()
        if name == "x-object-manifest":
            marks[name] = unquote(raw_value)
        elif name in MARKS:
            marks[name] = decode_value(raw_value)
        elif name != _UNDERSCORES:
            name = original.get(name, name).replace("_", UNDERSCORE)
            value = decode_value(raw_value)
            user[name] = f"{user[name]},{value}" if name in user else value
    stored = {name: headers[name] for name in STORED_HEADERS if headers.get(name)}
    return ObjectMeta(stored, user, marks)


def encode_value(value: str, always: bool = False) -> str:
    """Encode a metadata value for sending: unchanged, or as RFC 2047 words joined by single blanks.
    ``always``: as words.

    Values that would not survive otherwise are encoded, too: outer blanks, which HTTP strips, and text that
    looks like an encoded word.
    """
    if not always and _PLAIN.fullmatch(value) and value == value.strip() and not _WORD.search(value):
        return value
    return " ".join(_encoded_word(chunk) for chunk in _chunks(value))


def decode_value(value: str) -> str:
    """Decode a stored value. Words in other charsets, and malformed ones, are left unchanged."""
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
    """Yield pieces of whole characters, each of which fits one encoded word in the shorter encoding."""
    chunk = ""
    for character in value:
        data = (chunk + character).encode("utf-8")
        if chunk and min(base64_length(data), quoted_length(data)) > _MAX_ENCODED_TEXT:
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
