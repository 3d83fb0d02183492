"""What this daemon reports: its metrics, and the content of its recon file.

From outside: ``sources``, for ``daemon.monitor``. Start at ``metrics``, the list of all metrics.
"""
