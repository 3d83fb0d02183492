"""A strict HTTP/1.1 client over pooled, kept-alive connections.

From outside: ``pool``, and the responses that it returns.
Start at ``pool``; ``message`` holds the syntax, without I/O.
"""
