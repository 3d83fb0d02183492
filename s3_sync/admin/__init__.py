"""What an operator asks of a node: use cases that return plain values, and ``swift-s3-ctl``.

From outside: ``main``. Nothing imports this package.
Start at ``node``, one node as a command finds it, then at the command's module in ``commands``.
"""
