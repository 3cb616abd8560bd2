"""Connections, groups, fan-out and revocation."""
