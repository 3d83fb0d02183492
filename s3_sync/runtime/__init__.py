"""The runtime of every process: threads, the clock, logs, statsd, output to a terminal.

From outside: all modules.
Start at ``concurrency``, the only module that imports eventlet.
"""
