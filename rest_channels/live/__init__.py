"""Live queries: the list of a client equals its queryset, after every commit."""
