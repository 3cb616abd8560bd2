"""The view and the serializer of the quickstart, under the name that the pages use."""

from tests.readme.views import Editor, NoteSerializer

__all__ = ["Editor", "NoteSerializer"]
