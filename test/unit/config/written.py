"""Configuration files for tests, with the problems and warnings that loading them reports."""

from __future__ import annotations

from s3_sync.config.load import Loaded

MAPPING = {
    "account": "AUTH_lab",
    "container": "scans",
    "aws_bucket": "archive",
    "aws_identity": "id",
    "aws_secret": "the secret key",
}
MIGRATION = {"account": "AUTH_new", "aws_bucket": "/*", "aws_identity": "id", "aws_secret": "key"}


def problems_of(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def warnings_of(loaded: Loaded) -> list[str]:
    return [str(warning) for warning in loaded.warnings]
