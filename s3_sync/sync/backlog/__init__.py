"""The backlog of each mapping, computed from databases and state files alone.

From outside: ``reader`` (one answer) and ``poller`` (kept up to date while the daemon works). Start at
``reader``.
"""
