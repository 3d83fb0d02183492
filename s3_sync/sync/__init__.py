"""The daemon: container database rows, in order, to a remote store."""
