"""Remote object stores behind one interface, ``Bucket``.

From outside: ``base`` (the interface) and ``registry`` (a wrapped bucket for a mapping).
Start at ``base``; a provider is a folder here, a model of its credentials, and a line in
``config.credentials.kinds``. Modules beside the folders have what several providers share.
"""
