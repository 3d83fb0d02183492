"""What a new provider needs, as small as it can be: a model of its credentials, and its code."""
