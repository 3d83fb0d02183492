"""``swift-s3-ctl``: the operator's commands, and the use cases behind them, which return plain values.

The entry point is ``main``; no other package imports this one.
Start at ``node``, the view of one node, then at the command's module in ``commands``.
"""
