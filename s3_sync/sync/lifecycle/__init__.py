"""Moving objects out of the cluster: the release of local objects, segment cleanup, and expiry of the copies.

From outside: ``release`` and the two segment indexes, for ``rows``; the rest for ``container_crawl``. Start
at ``release``.
"""
