"""The containers of an Azure storage account as buckets, by the REST API of its blob service.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``transport`` sends the requests, which ``auth`` signs. Docstrings name pages of the
"Blob service REST API" (learn.microsoft.com/rest/api/storageservices).
"""
