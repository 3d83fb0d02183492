"""A week without the store, in a few minutes: `bin/soak`."""
