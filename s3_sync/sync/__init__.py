"""``swift-s3-sync``: container database rows, in order, to a remote store.

From outside: ``main``; ``rows.handler``, ``backlog`` and ``passes`` for what swift-s3-ctl computes like a
daemon. Start at ``app``, then ``container_crawl``: one mapping, one turn after the other."""
