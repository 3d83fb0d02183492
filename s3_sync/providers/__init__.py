"""Remote object stores, each behind the one ``Bucket`` interface.

From outside: ``base`` (the interface) and ``registry`` (a wrapped bucket for a mapping).
Start at ``base``; a provider is a folder here, a model of its credentials, and a line in ``registry``.
"""
