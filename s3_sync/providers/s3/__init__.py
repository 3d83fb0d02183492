"""Amazon S3, and the stores that speak its protocol.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``dialect`` says how stores differ, ``errors`` what their errors mean.
"""
