"""Faults for tests: a proxy that breaks requests, a launcher that ends the daemon at a named step."""
