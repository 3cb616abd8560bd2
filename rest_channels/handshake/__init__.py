"""Read a WebSocket handshake: its origin, client address, session, user and language."""
