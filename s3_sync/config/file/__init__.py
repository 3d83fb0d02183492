"""The configuration file, key by key, as pydantic models: what may be written, and its defaults.

From outside: ``config.load`` and ``config.build`` turn these models into ``config.settings``.
Start at ``fields`` (every option), then ``sections`` (today's form) and ``flat`` (the form of 1space).
"""
