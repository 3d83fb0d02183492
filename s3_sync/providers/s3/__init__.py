"""Amazon S3 and compatible stores.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``dialect`` lists how stores differ, ``errors`` translates their errors.
"""
