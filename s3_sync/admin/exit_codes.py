"""Exit codes of ``swift-s3-ctl``."""

#: done, and all is as it should be
FINE = 0
#: it could not be done, or not be looked at
FAILED = 1
#: what was asked for does not make sense
USAGE = 2
#: it was looked at, and something is not as it should be
FOUND = 3
