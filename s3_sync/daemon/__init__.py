"""What every daemon needs: turns over jobs, processes, reload, monitoring, limits. It knows mappings, never
rows.

From outside: ``job`` (the contract), ``daemon.Daemon``, ``services``, ``monitor``, ``reload``, ``processes``.
Start at ``job``, then ``lane``; test/unit/daemon/tiny_job.py is the smallest daemon there is.
"""
