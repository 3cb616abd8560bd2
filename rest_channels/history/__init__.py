"""Messages of groups that are kept, for clients that were away."""
