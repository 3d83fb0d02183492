"""Real servers for tests, benchmarks and the demonstration, each a child process on free loopback ports.

`test/` is on the import path (pytest's `pythonpath`; programs add it themselves), so a server is
`from servers.swift import SwiftCluster`. Nothing here imports pytest.
"""
