"""The configuration: the file as it is written, checked whole, and the frozen values that the program uses.

From outside: ``load``, the values in ``settings``, ``budgets`` and ``criteria``, and ``coverage``.
Start at ``load``; a new option begins in ``file.fields``.
"""
