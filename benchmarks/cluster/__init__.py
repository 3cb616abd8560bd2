"""A Valkey, and several processes that use it."""
