"""``cloud-shunt``, the proxy middleware: one namespace over the local cluster and its remote stores.

From outside: ``middleware.filter_factory``. Start at ``middleware``; then ``object_reads``, ``object_writes``
and ``listings``, one for each kind of request."""
