"""From a committed change to the subscribers of every process."""
