"""``swift-s3-sync``: copies objects to a remote store, in the order of the container databases' rows.

From outside: ``main``, and ``inspection``, with which swift-s3-ctl computes what a daemon would do.
Start at ``app``, then ``container_crawl``: one mapping, one turn after the other.
"""
