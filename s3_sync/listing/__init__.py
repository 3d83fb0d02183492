"""Container listings: what a client asks for, both sides put together, and how it is written."""
