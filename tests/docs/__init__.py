"""The examples of the pages in `docs/`, and the tests of these pages.

The examples build on the quickstart: its app is called `notes` here as well.
"""
