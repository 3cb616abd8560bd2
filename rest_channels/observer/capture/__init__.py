"""Detect what happens to rows, and collect the changes that were committed."""
