"""The runtime of every process: threads, the clock, logs, statsd.

From outside: all modules.
Start at ``concurrency``, the only module that imports eventlet.
"""
