"""Buckets around buckets: each adds one thing and keeps the contract.

From outside: ``providers.registry`` stacks them; ``rate_limits`` and ``instrument`` show their numbers.
Start at ``delegate``, which all of them are made of.
"""
