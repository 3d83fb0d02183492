"""Amazon S3 and compatible stores.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``errors`` translates errors. How stores differ is in ``config.credentials.s3_dialects``.
"""
