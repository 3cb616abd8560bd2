"""Messages, dialects, routes and arguments. This package does no I/O."""
