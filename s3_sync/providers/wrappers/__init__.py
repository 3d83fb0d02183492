"""Buckets around buckets: each adds one thing and keeps the contract."""
