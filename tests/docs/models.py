"""The model of the quickstart, under the name that the pages use."""

from tests.readme.models import Note

__all__ = ["Note"]
