"""The rules for copies in Azure."""

from __future__ import annotations

from mutants.mutant import Mutant

_AZURE = "test/unit/providers/azure"

AZURE = (
    Mutant(
        "Azure: no block counts whose CRC64 the service did not confirm",
        "providers/azure/blocks.py",
        '            compare_crc64(what, response.headers.get("x-ms-content-crc64"), block.crc64)\n',
        "            pass\n",
        f"{_AZURE}/test_blocks.py",
    ),
    Mutant(
        "Azure: an answer without a CRC64 confirms nothing",
        "providers/azure/blocks.py",
        "    if found is None:\n",
        "    if found is None and found:\n",
        f"{_AZURE}/test_blocks.py",
    ),
    Mutant(
        "Azure: blocks have IDs of their own in each attempt",
        "providers/azure/blocks.py",
        "        attempt = uuid4().hex\n",
        '        attempt = "0" * 32\n',
        f"{_AZURE}/test_blocks.py",
    ),
    Mutant(
        "Azure: new headers do not take the MD5 away",
        "providers/azure/properties.py",
        '            etag = self._put(key, "properties", wanted, etag)\n',
        '            etag = self._put(key, "properties", property_headers(meta, None), etag)\n',
        f"{_AZURE}/test_properties.py",
    ),
    Mutant(
        "Azure: metadata is replaced on the condition that nobody else has",
        "providers/azure/properties.py",
        "            headers=[*headers, *write_conditions(etag, False)],\n",
        "            headers=headers,\n",
        f"{_AZURE}/test_properties.py",
    ),
    Mutant(
        "Azure: an old token is not used directly after its page",
        "providers/azure/tokens.py",
        "            return token if token and self._clock() - since <= FRESH else None\n",
        "            return token or None\n",
        f"{_AZURE}/test_listing.py",
    ),
    Mutant(
        "Azure: a blob is deleted because it is archived only if a HEAD shows that, too",
        "providers/azure/bucket.py",
        "            if not found.archived:\n",
        "            if not found.etag:\n",
        f"{_AZURE}/test_lies.py",
    ),
    Mutant(
        "Azure: the archived blob that is deleted is the one that was seen",
        "providers/azure/bucket.py",
        "            self._delete(key, found.etag if if_match is None else if_match)\n",
        "            self._delete(key)\n",
        f"{_AZURE}/test_blocks.py",
    ),
    Mutant(
        "Azure: the service's order of signed headers is that of words",
        "providers/azure/auth.py",
        '    return header[0].replace("-", "").replace("_", " ")\n',
        "    return header[0]\n",
        f"{_AZURE}/test_auth.py",
    ),
    Mutant(
        "Azure: the Content-MD5 of a large object is not the MD5 of its bytes",
        "providers/azure/headers.py",
        "        md5=mark if is_md5(mark) else None if is_large else content_md5,\n",
        "        md5=mark if is_md5(mark) else content_md5,\n",
        f"{_AZURE}/test_properties.py",
    ),
    Mutant(
        "Azure: foreign rules are written back as they were",
        "providers/azure/management.py",
        "        return [*rules, _rule(name, places, days)] if days else None\n",
        "        return [_rule(name, places, days)] if days else None\n",
        f"{_AZURE}/test_management.py",
    ),
)
