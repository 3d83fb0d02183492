"""``swift-s3-migrator``: pulls the objects of remote stores into the local cluster while clients use it.

A migration is level-triggered: each pass compares both listings, and makes the local cluster agree with the
source wherever no client has written something newer.
"""
