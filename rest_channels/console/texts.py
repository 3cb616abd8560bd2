"""What the script of the console's pages says, in the user's language."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

__all__ = ["TEXTS"]

TEXTS = {
    "answered": _("Answered after {duration}."),
    "answeredWith": _("Answered with {status} after {duration}."),
    "bytes": _("bytes"),
    "cancel": _("Cancel"),
    "closed": _("Closed with {code}"),
    "closedHere": _("Closed by this page"),
    "connect": _("Connect"),
    "copied": _("Copied"),
    "count": _("{number} ({size})"),
    "cut": _("Only the beginning of this frame is shown."),
    "disconnect": _("Disconnect"),
    "dropped": _("older ones dropped: {number}"),
    "errorAfter": _("An error that names no request came after this frame."),
    "event": _("Event"),
    "failed": _("The browser cannot connect"),
    "failedAdvice": _("Correct the address, the token or the subprotocols."),
    "json": _("JSON"),
    "noAnswer": _("No answer: the connection was closed."),
    "noHex": _("Write bytes as pairs of hexadecimal digits, such as 68 69."),
    "noJson": _("This is no JSON."),
    "noJsonBecause": _("This is no JSON: {reason}"),
    "notCopied": _("The browser does not allow to copy"),
    "notSent": _("Not sent"),
    "notSentBecause": _("Not sent. The top of the page says why."),
    "open": pgettext_lazy("the state of a connection", "Open"),
    "openWith": _("Open, with the subprotocol {protocol}"),
    "received": _("Received"),
    "refused": _("Refused"),
    "resume": _("Resume ({number} new)"),
    "sent": _("Sent"),
    "showAnswer": _("Show it"),
    "stateClosed": _("Closed ({code})"),
    "state_closed": _("Not connected"),
    "state_closing": _("Closing…"),
    "state_connecting": _("Connecting…"),
    "state_open": _("Connected"),
    "text": _("text"),
    "waiting": _("Waiting for the connection…"),
    "waitingForAnswer": _("Sent, waiting for the answer…"),
}
"""By name. The script replaces words in braces by values."""
