"""An account of another Swift cluster.

From outside: ``provider``, through ``providers.registry``.
Start at ``transport``, which sends requests with the token of ``session``; ``auth`` logs in.
"""
