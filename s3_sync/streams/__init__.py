"""Object bytes in flow: nothing here holds a whole object."""
