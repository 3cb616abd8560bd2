"""Run handlers: serial queues, the thread pool, and calls from threads to the event loop."""
