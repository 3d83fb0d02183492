"""Frozen values and pure functions, standard library only: no I/O, no clock.

From outside: all modules.
Start at ``rows`` (a container row and its owner), ``objects`` and ``outcomes``.
"""
