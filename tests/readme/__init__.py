"""The example of the README, as a Django app. `tests/test_readme.py` compares and runs it."""
