"""Container listings: the client's query, the merge of both sides, and the output formats.

From outside: all modules. Start at ``merge``; ``walk`` turns a store's pages into entries.
"""
