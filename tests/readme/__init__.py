"""The first socket of the quickstart, as a Django app for the examples of other pages."""
