"""What every process runs on: threads, the clock, logs, statsd.

From outside: all modules.
Start at ``concurrency``, the only module that knows eventlet.
"""
