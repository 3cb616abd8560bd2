"""The console: a page for each socket of the project, where one can read and try what it takes."""
