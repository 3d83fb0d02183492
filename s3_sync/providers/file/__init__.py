"""Directories on a mounted share as buckets, their files as objects.

From outside: ``provider``, through ``providers.registry``.
Start at ``share`` (is it mounted?), then ``site`` (a bucket's directory during one operation), ``names``
(keys and paths) and ``record`` (what is known of a file).
"""
