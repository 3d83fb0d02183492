"""What survives a restart: status files, the journal, the operator's requests.

From outside: all modules; docs/data-model.md describes every file and table.
Start at ``checkpoint`` (cursors) and ``journal`` (what a cursor has passed that is not settled).
"""
