"""Exit codes of ``swift-s3-ctl``."""

#: success, and nothing is wrong
FINE = 0
#: the command failed, or could not check everything
FAILED = 1
#: invalid arguments
USAGE = 2
#: success, but problems were found
FOUND = 3
