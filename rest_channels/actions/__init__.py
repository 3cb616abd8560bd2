"""How an `AsyncAPIConsumer` finds, permits and runs an action."""
