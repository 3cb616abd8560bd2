"""Tests of observers: which changes and signals are sent, to which clients, and when."""
