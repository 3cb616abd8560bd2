"""How server processes exchange messages through the channel layer."""
