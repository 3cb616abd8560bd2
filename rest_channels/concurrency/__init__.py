"""How handlers run: serial queues, threads, and the way from a thread to the event loop."""
