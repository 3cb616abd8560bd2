"""Frames that clients receive for actions."""


def reply(action, data=None, status=200, errors=(), request_id=1):
    """Return the whole reply to an action."""
    return {
        "errors": list(errors),
        "data": data,
        "action": action,
        "response_status": status,
        "request_id": request_id,
    }
