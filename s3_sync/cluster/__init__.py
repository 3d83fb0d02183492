"""The local Swift cluster: container databases, objects on all replicas, listings of accounts.

From outside: ``services.LocalObjects`` and ``databases.LocalDatabases``; ``subrequest`` for a proxy.
Start at ``brokers`` (rows), ``newest`` (the newest state of an object) and ``guarded_delete``.
"""
