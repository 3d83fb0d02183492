"""Checks of a store by small writes, called probes, which are removed again.

An operator runs them with ``swift-s3-verify``, the conformance suite against every store that it knows.
"""
