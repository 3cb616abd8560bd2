"""A peer that cannot live in our environment: it has one of its own, and a process."""
