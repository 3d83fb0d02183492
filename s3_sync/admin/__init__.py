"""What an operator asks of a node, and tells it: use cases that return plain values, and ``swift-s3-ctl``."""
