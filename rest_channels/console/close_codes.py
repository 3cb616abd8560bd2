"""What each close code means, and what to do about it."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..exceptions import CloseCode

__all__ = ["close_codes", "other_codes"]

ADVICE: dict[int, tuple[str | Promise, str | Promise]] = {
    1000: (_("The connection was closed on purpose."), _("Connect again if you like.")),
    1001: (_("The server stops, or the page was left."), _("Connect again.")),
    1002: (_("One side broke the WebSocket protocol."), _("Look in the server's log.")),
    1003: (
        _("The server takes no frames of this kind."),
        _("Send text instead of bytes, or bytes instead of text."),
    ),
    1005: (_("The connection was closed without a code."), _("Connect again if you like.")),
    1006: (
        _("The connection was lost."),
        _("The server may have stopped, or the network failed. Connect again."),
    ),
    1007: (_("A frame was no valid text."), _("Send UTF-8.")),
    1008: (
        _("The client broke a rule of the server."),
        _("The reason and the server's log say which one."),
    ),
    1009: (
        _("A frame was too big for the server."),
        _("Send smaller frames, or raise the limit of the server, such as --ws-max-size."),
    ),
    1011: (_("The server failed."), _("Its log has the traceback.")),
    1012: (_("The server restarts."), _("Connect again in a moment.")),
    1013: (_("The server is overloaded."), _("Connect again later.")),
    4401: (
        _("The credentials are missing or wrong, or the token has expired."),
        _("Log in to this site in another tab, or give a token below. Then connect again."),
    ),
    4403: (
        _("A permission class refused the connection."),
        _("Log in as a user with the permissions that this page names. Then connect again."),
    ),
    4404: (
        _("The handler found nothing at this path."),
        _("Correct the arguments in the path. Then connect again."),
    ),
    4413: (
        _("A frame was larger than MAX_FRAME_SIZE."),
        _("Send smaller frames, or raise the setting."),
    ),
    4429: (
        _("Too many frames, or too many sockets of one user or address."),
        _(
            "Send more slowly, or close other sockets. The settings FRAME_RATE, INBOX_FRAMES and "
            "MAX_SOCKETS_PER_USER are the limits."
        ),
    ),
    4440: (
        _("The session has ended: the user logged out, or it has expired."),
        _("Log in again in another tab. Then connect again."),
    ),
    4441: (
        _("The password of the user has changed."),
        _("Log in again in another tab. Then connect again."),
    ),
    4442: (_("The user was deactivated or deleted."), _("Log in as another user.")),
    4443: (_("The application called revoke()."), _("Connect again if you may.")),
    4500: (
        _("The server failed while the connection was opened."),
        _("Its log has the traceback. Correct the error, then connect again."),
    ),
    4503: (
        _("The client read too slowly."),
        _("Connect again. The setting OUTBOX_BYTES is the limit."),
    ),
    4529: (
        _("The server is busy: a throttle class refused the connection, or it has MAX_SOCKETS."),
        _("Connect again later."),
    ),
}


def close_codes() -> dict[int, dict[str, Any]]:
    """Return the name of each close code, what it means, and what to do."""
    names = {int(code): code.name.replace("_", " ").lower() for code in CloseCode}
    return {
        code: {"name": names.get(code, ""), "meaning": meaning, "advice": advice}
        for code, (meaning, advice) in ADVICE.items()
    }


def other_codes() -> dict[str, dict[str, str | Promise]]:
    """Return what codes without a row above mean, by their range; and what refusals mean."""
    return {
        "refused": {
            "meaning": _("The server refused the handshake. Browsers are not told why."),
            "advice": _(
                "The server's log names the reason. Usual ones: no route for this path; an origin "
                "that is not in ALLOWED_ORIGINS; a user who is not logged in or lacks a "
                "permission; a subprotocol that the server does not accept."
            ),
        },
        "unreachable": {
            "meaning": _("The server does not answer."),
            "advice": _("Start it, or correct the address. Then connect again."),
        },
        "client": {
            "meaning": _("The server refused the connection, as with the HTTP status {status}."),
            "advice": _("Change what it asks for first. Connecting again as it is would fail."),
        },
        "server": {
            "meaning": _("The server has a problem for now, as with the HTTP status {status}."),
            "advice": _("Connect again later. The server's log may say more."),
        },
        "own": {
            "meaning": _("This code is one of the application's own."),
            "advice": _("The code of the application says what it means."),
        },
    }
