"""Credentials of remote accounts: one model per kind of provider, in the file and as a value.

Everything that depends on the kind (required keys, what identifies the store, its limits) is in its model.
Start at ``base``; ``kinds`` lists the models, and says what a new provider needs.
"""
