"""One object namespace over OpenStack Swift and remote object stores.

Start reading at ``docs/tour.md``, which follows a row, a GET and a configuration value through the files.
"""

__version__ = "0.2.0"
