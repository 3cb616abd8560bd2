"""The examples of docs/groups.md and docs/deployment.md, and the tests of those pages.

They go on where the README's example ends: its app is called `notes` there as well.
"""
