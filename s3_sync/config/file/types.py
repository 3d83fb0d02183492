"""Types of the values in the file, with their ranges.

Types are strict: ``"10"`` is not a number, ``1`` is not true. An empty text for an optional key counts as
absent.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from s3_sync.config.file.base import wrong as _wrong
from s3_sync.config.secret import SECRET_SCHEMA, Secret

#: about a hundred years; a longer duration is a mistake in the unit
MAX_SECONDS = 100 * 366 * 86400
_HEADER_VALUE = re.compile(r"[!-~]+")
_MAX_TAGS = 10
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256
_STATSD_PREFIX = re.compile(r"[A-Za-z0-9_.-]*")


def _empty_is_absent(value: Any) -> Any:
    return None if value == "" else value


def _whole(value: Any) -> Any:
    """Accept 3600.0 as an integer; 0.5 stays as it is and is refused."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def lower(value: Any) -> Any:
    """Accept letters in any case."""
    return value.lower() if isinstance(value, str) else value


def _secret(value: Any) -> Secret:
    """Make a Secret; references have already been resolved."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text")
    if not value:
        raise _wrong("must not be empty")
    return Secret(value)


def _plain(value: str) -> str:
    """Refuse characters that would break a path, a header or a log line."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise _wrong("must not contain control characters")
    return value


def _swift_name(value: str) -> str:
    """Validate the name of an account or container; Swift allows any characters, even "." and ".."."""
    if len(value.encode("utf-8")) > 256:
        raise _wrong("must be at most 256 bytes long")
    return value


def _account(value: str) -> str:
    if "/" in value:
        raise _wrong('must not contain "/"')
    return value


def _container(value: str) -> str:
    if "/" in value and value != "/*":
        raise _wrong('must not contain "/" (except for "/*", every container of the account)')
    return value


def _segment_container(value: str) -> str:
    if "/" in value:
        raise _wrong('must be the name of a container, or "*" for every container of the account')
    return value


def as_tuple(value: Any) -> Any:
    """Accept a list, which JSON has instead of tuples."""
    return tuple(value) if isinstance(value, list) else value


def _bucket(value: str) -> str:
    if "/" in value and value != "/*":
        raise _wrong('must not contain "/"; the prefix of keys is a separate option')
    return value


def _url(value: str) -> str:
    try:
        url = urlsplit(value)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0 and " " not in value
    except ValueError:  # a port that is not a number, an invalid IPv6 address
        usable = False
    if not usable:
        raise _wrong("must be a URL such as https://host:port")
    return value


def _endpoint(value: str) -> str:
    url = urlsplit(_url(value))
    if url.username is not None or url.password is not None:
        raise _wrong("must not contain a user name or password; they are separate options")
    if url.query or url.fragment:
        raise _wrong("must not contain a query or fragment")
    return value


def _statsd_prefix(value: str) -> str:
    if not _STATSD_PREFIX.fullmatch(value):
        raise _wrong('may contain only letters, digits and "_.-"')
    return value


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise _wrong("must consist of ASCII characters without spaces")
    return value


def _tags(tags: dict[str, str]) -> dict[str, str]:
    """Validate the tags of an object by the limits of AWS (S3 User Guide, "Categorizing your objects using
    tags")."""
    if len(tags) > _MAX_TAGS:
        raise _wrong(f"must be at most {_MAX_TAGS} tags")
    for key, value in tags.items():
        if not 1 <= _utf16_units(key) <= _MAX_TAG_KEY or _utf16_units(value) > _MAX_TAG_VALUE:
            limits = f"the key 1 to {_MAX_TAG_KEY} characters, the value at most {_MAX_TAG_VALUE}"
            raise _wrong(f'"{key[:_MAX_TAG_KEY]}": {limits}')
        if key.lower().startswith("aws:"):
            raise _wrong(f'"{key}": keys that begin with "aws:" are reserved')
        if not all(_is_allowed_in_tags(character) for character in key + value):
            raise _wrong(f'{key!a}: only letters, digits, spaces and "_.:/=+-@" are allowed')
    return tags


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_allowed_in_tags(character: str) -> bool:
    return character in "_.:/=+-@" or unicodedata.category(character)[0] in "LNZ"


Text = Annotated[str, Field(min_length=1), AfterValidator(_plain)]
OptionalText = Annotated[Text | None, BeforeValidator(_empty_is_absent)]
OptionalHeader = Annotated[
    Annotated[Text, AfterValidator(_header_value)] | None, BeforeValidator(_empty_is_absent)
]
CannedAcl = Annotated[
    Literal[
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ]
    | None,
    BeforeValidator(_empty_is_absent),
]
Tags = Annotated[dict[str, str], AfterValidator(_tags)]
Url = Annotated[Text, AfterValidator(_url)]
OptionalUrl = Annotated[Url | None, BeforeValidator(_empty_is_absent)]
Endpoint = Annotated[Annotated[Text, AfterValidator(_endpoint)] | None, BeforeValidator(_empty_is_absent)]
SecretText = Annotated[Secret, PlainValidator(_secret), WithJsonSchema(SECRET_SCHEMA)]
Account = Annotated[Text, AfterValidator(_swift_name), AfterValidator(_account)]
Container = Annotated[Text, AfterValidator(_swift_name), AfterValidator(_container)]
SegmentContainers = Annotated[
    tuple[Annotated[Text, AfterValidator(_swift_name), AfterValidator(_segment_container)], ...],
    BeforeValidator(as_tuple),
]
Bucket = Annotated[Text, AfterValidator(_bucket)]
Prefix = Annotated[str, AfterValidator(_plain)]
WholeSeconds = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=MAX_SECONDS)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
ReadTimeout = Annotated[float, Field(ge=1, le=900, allow_inf_nan=False)]
Minutes = Annotated[float, Field(ge=0, le=MAX_SECONDS / 60, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]
Threads = Annotated[int, Field(ge=1, le=10_000)]
Rows = Annotated[int, Field(ge=1, le=1_000_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)]
StatsdPrefix = Annotated[str, AfterValidator(_statsd_prefix)]
