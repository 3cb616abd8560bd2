"""The README's example, as a Django app. `tests/test_readme.py` runs it, and compares the texts."""
