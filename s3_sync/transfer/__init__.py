"""One object at a time: what to do with it, and doing it.

From outside: all modules.
Start at ``decide`` (pure), then ``upload`` and ``large_upload``; ``restore`` is the way back.
"""
