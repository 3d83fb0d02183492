"""What is outstanding for each mapping, counted from databases and state files alone.

From outside: ``reader`` (one answer) and ``poller`` (kept up to date beside the work).
Start at ``reader``.
"""
