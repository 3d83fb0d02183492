"""Google Cloud Storage through its JSON API, over our own connections; google-auth issues the tokens.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``resource`` is an object's description in JSON, and ``resumable`` an upload session.
"""
