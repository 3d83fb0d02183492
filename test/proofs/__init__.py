"""Proofs of cloud-shunt that take minutes, each a command of its own: `bin/prove`."""
