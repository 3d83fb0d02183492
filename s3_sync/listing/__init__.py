"""Container listings: what a client asks for, both sides merged, and how the result is written.

From outside: all modules.
Start at ``merge``; ``walk`` turns a store's pages into entries.
"""
