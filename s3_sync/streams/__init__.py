"""Streams of object bytes, and small files. No module holds a whole object in memory.

From outside: all modules.
Start at ``reader.Body``, the interface of every stream.
"""
