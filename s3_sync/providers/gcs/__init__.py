"""Google Cloud Storage through its JSON API, over our own connections; google-auth issues the tokens.

From outside: ``provider``, which ``config.credentials.kinds`` names. Start at ``bucket``.
"""
