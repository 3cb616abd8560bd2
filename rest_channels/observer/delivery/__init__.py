"""Publish committed changes to all processes, and deliver them to subscribers."""
