"""A directory on a mounted share as a store.

From outside: ``provider`` only. Start at ``share`` (is it mounted?), ``names`` (keys and paths), ``record``
(what is known of a file), ``site`` (one bucket's directory while an operation uses it).
"""
