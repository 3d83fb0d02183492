"""Swift object names that are legal and that somebody gets wrong."""

from __future__ import annotations

import unicodedata

CAFE = "caf\u00e9"

NAMES: dict[str, str] = {
    "plain": "plain",
    "nested": "a/b/c",
    "double slash": "a//b",
    "leading slash": "/lead",
    "only slashes": "//",
    "trailing slash": "folder/",
    "dot": ".",
    "dots": "..",
    "dot segments": "a/./b/../c",
    "leading dot segment": "./x",
    "trailing dot": "name.",
    "trailing blank": "name ",
    "leading blank": " name",
    "blanks": "a  b c",
    "percent encoded": "a%2Fb",
    "percent": "100%",
    "double encoded": "a%252Fb",
    "plus": "a+b",
    "reserved": "a?b#c;d=e@f:g,h$i!j*k(l)m'n[o]",
    "ampersand": "a&b<c>d",
    "quote": 'a"b',
    "backslash": "a\\b",
    "tilde": "~a",
    "nfc": unicodedata.normalize("NFC", CAFE),
    "nfd": unicodedata.normalize("NFD", CAFE),
    "four bytes": "\U0001f600/\U00010348",
    "noncharacter": "a\uffffb",
    "right to left": "\u05e9\u05dc\u05d5\u05dd",
    "newline": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "control": "a\x01b",
    "delete": "a\x7fb",
    "xml end": "]]>",
    "query": "name?versionId=1",
}
