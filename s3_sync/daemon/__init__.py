"""The parts that all daemons share: scheduling of jobs, processes, reload, monitoring, limits. They know
mappings, never rows.

From outside: ``job`` (the contract), ``daemon.Daemon``, ``services``, ``monitor``, ``reload``, ``processes``.
Start at ``job``, then ``lane``; test/unit/daemon/tiny_job.py is a minimal daemon.
"""
