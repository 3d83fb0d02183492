"""Pydantic models of the configuration file: every key with its type, range and default.

``config.load`` and ``config.build`` turn these models into ``config.settings``.
Start at ``options`` (every option), then ``sections`` (current format) and ``flat`` (format of 1space).
"""
