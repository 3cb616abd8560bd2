"""A peer with requirements that conflict with ours: it has its own environment and process."""
