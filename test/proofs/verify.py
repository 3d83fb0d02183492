"""``swift-s3-verify`` with each kind of odd store, and killed at each of its requests.

Whatever a store answers, the run ends with 0 or 1, says why if it is 1, and shows no traceback; and after the
next run the bucket is as it was.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.verify import main as program
from servers.moto import MotoServer
from servers.odd_store import DEVIATIONS, OddStore
from servers.pair import Store
from servers.rclone import RcloneS3
from servers.s3 import S3Server
from servers.verify import Verified


def prove(step: int) -> bool:
    program.RETRIES = RetryPolicy(attempts=2, base=0.01)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        for server in (RcloneS3(), MotoServer()):
            server.start()
            try:
                if isinstance(server, MotoServer):  # which takes requests that were altered on their way
                    problems += _odd(server, Path(directory))
                problems += _killed(server, Path(directory), step)
            finally:
                server.stop()
    for problem in problems:
        print(problem)
    return not problems


def _odd(server: S3Server, directory: Path) -> list[str]:
    problems: list[str] = []
    for name in DEVIATIONS:
        odd = OddStore(Store.server(server))
        verified = Verified.new(odd.store, directory)
        odd.turn_on(name)
        code, errors = _run(verified, "--option", "read_timeout=3")
        odd.turn_off()
        what = f"{server.name}, {name}"
        if code not in (0, 1) or (code == 1) != bool(errors):
            problems.append(f"{what}: exit code {code}, {len(errors)} lines")
        problems += [f"{what}: {line}" for line in errors if "Traceback" in line or "this program" in line]
        left = "" if verified.is_clean() else ", and left something"
        _run(verified, "--quick")
        if not verified.is_clean():
            problems.append(f"{what}: not as it was after another run")
        odd.proxy.close()
        print(f"{what}: {code}{left}", *errors[:1], sep="\n    ", flush=True)
    return problems


def _killed(server: S3Server, directory: Path, step: int) -> list[str]:
    problems: list[str] = []
    request = 1
    verified = Verified.new(Store.server(server), directory)
    while verified.kill_at(request):
        code, errors = _run(verified, "--quick")
        if code or not verified.is_clean():
            problems.append(f"{server.name}, killed at request {request}: {code} {errors}")
        request += step
    print(f"{server.name}: killed at requests 1 to {request - step}", flush=True)
    return problems


def _run(verified: Verified, *more: str) -> tuple[int, list[str]]:
    errors = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(errors):
        code = verified.run(*more)
    return code, errors.getvalue().splitlines()
