"""Handling rows: a batch, a single row, and what is known about the remote beforehand.

From outside: ``batch.BatchRunner``; ``handler.RowHandler`` for a single object. Start at ``handler``, then
``batch``.
"""
