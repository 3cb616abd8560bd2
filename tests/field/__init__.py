"""Situations that real projects ran into, by kind."""
