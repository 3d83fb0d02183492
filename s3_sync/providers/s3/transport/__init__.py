"""Transports of requests with an object's bytes or metadata: direct, or by the SDK.

From outside: ``base.Transport``, which ``providers.s3.client`` opens.
Start at ``base``, then ``direct``.
"""
