"""Large objects on their way from a source into the local cluster.

From outside: ``large_copying``, which chooses among the ways. ``new_slo`` makes an SLO of what is one object
at the source; ``swift_objects`` copies the SLOs, DLOs and symlinks of another Swift as what they are.
"""
