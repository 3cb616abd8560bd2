"""Describes the sockets of a project: their paths, and the frames that they take."""
