"""What a WebSocket handshake says: origin, proxies, session, user, language."""
