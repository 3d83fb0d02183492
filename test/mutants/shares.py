"""The rules for a directory on a mounted share as a store."""

from __future__ import annotations

from mutants.mutant import Mutant

_FILE = "test/unit/providers/file"

SHARES = (
    Mutant(
        "a share that is not mounted is no empty bucket",
        "providers/file/share.py",
        "            if found != replace(marker, of_bucket=True):\n",
        "            if False:\n",
        f"{_FILE}/test_share.py",
    ),
    Mutant(
        "another share is not taken for the one that was there",
        "providers/file/share.py",
        "        if marker.share != expected:\n",
        "        if False:\n",
        f"{_FILE}/test_share.py",
    ),
    Mutant(
        "nothing but an operator makes a share of a directory",
        "providers/file/share.py",
        "            if may_be_new:\n",
        "            if True:\n",
        f"{_FILE}/test_share.py",
    ),
    Mutant(
        "a directory that cannot be read ends the listing",
        "providers/file/walk.py",
        "            with os.scandir(descriptor) as entries:\n",
        '            with __import__("contextlib").suppress(OSError), os.scandir(descriptor) as entries:\n',
        f"{_FILE}/test_share.py",
    ),
    Mutant(
        "a file that somebody has changed is no copy",
        "providers/file/record.py",
        "        return (self.size, self.modified) == (status.st_size, status.st_mtime_ns)\n",
        "        return True\n",
        f"{_FILE}/test_files.py",
    ),
    Mutant(
        "a copy of a file does not have its record",
        "providers/file/record.py",
        """written.get("key") != _digest(key):""",
        "not key:",
        f"{_FILE}/test_files.py",
    ),
    Mutant(
        "a sidecar has the record of the old file until the new one is there",
        "providers/file/record.py",
        "*others[: _MAX_RECORDS - 1]]",
        "*others[:0]]",
        f"{_FILE}/test_kills.py",
    ),
    Mutant(
        "an upload that could not be begun leaves nothing",
        "providers/file/uploads.py",
        "                    for place in (temporary, uploads):\n",
        "                    for place in ():\n",
        f"{_FILE}/test_errors.py",
    ),
    Mutant(
        "a small file that could not be written is removed",
        "providers/file/directories.py",
        "        remove_quietly(parent, name)\n        raise\n",
        "        raise\n",
        f"{_FILE}/test_errors.py",
    ),
    Mutant(
        "a sidecar that could not be placed is removed",
        "providers/file/record.py",
        "                remove_quietly(directory, temporary)\n",
        "                pass\n",
        f"{_FILE}/test_errors.py",
    ),
    Mutant(
        "two files of one key have two times",
        "providers/file/files.py",
        " if each not in taken)",
        ")",
        f"{_FILE}/test_kills.py",
    ),
    Mutant(
        "a link to a directory is not followed",
        "providers/file/site.py",
        "                return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)\n",
        "                return os.open(name, DIRECTORY, dir_fd=parent)\n",
        f"{_FILE}/test_files.py",
    ),
    Mutant(
        "a hard link of somebody else is no object",
        "providers/file/site.py",
        "                if status.st_nlink <= 1 or found.record is not None:\n",
        "                if True:\n",
        f"{_FILE}/test_files.py",
    ),
    Mutant(
        "capital and small letters are two names on every share",
        "providers/file/names.py",
        """    return (f"%={capitals:x}=" if capitals else "") + "".join(characters)""",
        """    return "".join(characters)""",
        f"{_FILE}/test_names.py",
    ),
    Mutant(
        "directories stand in the order of their keys",
        "providers/file/walk.py",
        """part.encode("utf-8") + (b"/" if is_directory else b"")""",
        """part.encode("utf-8")""",
        f"{_FILE}/test_walk.py",
    ),
    Mutant(
        "a call that nobody waits for changes nothing more",
        "runtime/real_threads.py",
        "        if self._abandoned:\n            raise Abandoned\n",
        "",
        "test/unit/runtime/test_real_threads.py",
    ),
)
