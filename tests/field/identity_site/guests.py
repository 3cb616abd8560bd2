class Guest:
    """The user of a client that has not logged in."""

    pk = None
    is_authenticated = False
    name = "guest"
