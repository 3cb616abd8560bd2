"""A session engine as other projects have it: a table that is not made from Django's base class."""
