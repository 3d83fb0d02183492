"""Object bytes in flow, and small files: nothing here holds a whole object.

From outside: all modules.
Start at ``reader.Body``, the one way in which bytes move.
"""
