"""Reads sockets."""
# owner: network
LIMIT = 4
