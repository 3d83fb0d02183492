"""What becomes of rows: a batch of them, one of them, and what is known of the remote beforehand.

From outside: ``batch.BatchRunner``; ``handler.RowHandler`` for a single object.
Start at ``handler``, then ``batch``.
"""
