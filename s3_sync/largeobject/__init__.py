"""Large objects as values: manifests, and the parts that are made of them. No I/O.

From outside: all modules.
Start at ``manifest``; ``segment_places`` says whose segments count.
"""
