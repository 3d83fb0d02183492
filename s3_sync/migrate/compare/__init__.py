"""``swift-s3-migrator --compare``: whether both sides of a migration are equal, and where they are not.

Nothing is written on either side.
"""
