"""State that survives a restart: status files, the journal, the operator's requests.

Every module is public; docs/data-model.md describes every file and table.
Start at ``checkpoint`` (cursors) and ``journal`` (unsettled rows that a cursor has passed).
"""
