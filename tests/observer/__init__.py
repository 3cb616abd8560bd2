"""Observers: what is told of rows and signals, to whom, and when."""
