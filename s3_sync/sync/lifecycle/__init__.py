"""Moving objects out of the cluster: the last step, segments that follow, and the expiry of the copies.

From outside: ``release`` and the two segment indexes, for ``rows``; the rest for ``container_crawl``.
Start at ``release``.
"""
