"""The configuration: models of the file, checks, and the frozen values that the program uses.

Public: ``load``, the values in ``settings``, ``budgets`` and ``criteria``, and ``coverage``.
Start at ``load``; add a new option in ``file.options`` first.
"""
