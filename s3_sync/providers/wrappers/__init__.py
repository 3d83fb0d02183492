"""Wrappers around buckets: each adds one concern and keeps the contract.

From outside: ``providers.registry`` stacks them; ``rate_limits`` and ``instrument`` expose numbers.
Start at ``delegate``, their common base.
"""
