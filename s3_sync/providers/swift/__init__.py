"""The containers of an account in another Swift cluster as buckets.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``transport`` sends the requests with a token, for which ``auth`` logs in.
"""
