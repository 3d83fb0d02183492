"""The blobs of an Azure storage account.

From outside: ``provider``, through ``providers.registry``.
Start at ``bucket``; ``transport`` sends the requests that ``auth`` authorizes. Protocol facts are those of
"Blob service REST API" (learn.microsoft.com/rest/api/storageservices), whose pages the docstrings name.
"""
