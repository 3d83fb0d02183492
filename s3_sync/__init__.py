"""One object namespace over OpenStack Swift and remote object stores."""

__version__ = "0.2.0"
