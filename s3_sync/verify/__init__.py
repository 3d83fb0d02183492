"""``swift-s3-verify``: finds out whether a store can be used, and what it is like.

The entry point is ``main``; the checks themselves are in ``providers.checks``.
Start at ``destination``, what is checked, then at ``session``, how.
"""
