"""The README's models, under the name that the pages know them by."""

from tests.readme.models import Note

__all__ = ["Note"]
