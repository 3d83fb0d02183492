"""One object at a time: what to do with it, and doing it."""
