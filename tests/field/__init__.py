"""Situations that real projects ran into, one test for each."""
