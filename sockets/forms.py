"""The admin's forms for a message to sockets, and for closing them."""

from typing import Any

import orjson
from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from rest_channels.exceptions import CloseCode
from rest_channels.renderers import encode

__all__ = ["DisconnectForm", "MessageForm"]

REASON_BYTES = 123
"""The longest reason of a close frame, in bytes of UTF-8. Source: RFC 6455, 5.5."""


class MessageForm(forms.Form):
    """A message: its `type`, and its `content` as a JSON object, which is cleaned to a dict."""

    type = forms.CharField(label=_("Type"), max_length=256, widget=AdminTextInputWidget)
    content = forms.CharField(
        label=_("Data"),
        required=False,
        initial="{}",
        widget=AdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_('The rest of the message as a JSON object, for example {"text": "hello"}.'),
    )

    def clean_content(self) -> dict[str, Any]:
        try:
            content = orjson.loads(self.cleaned_data["content"] or "{}")
            encode(content)
        except (ValueError, TypeError) as error:
            message = _("This is not valid JSON: %(error)s.")
            raise ValidationError(message, params={"error": error}) from error
        if not isinstance(content, dict):
            raise ValidationError(_('Enter a JSON object, for example {"name": "value"}.'))
        return content


class DisconnectForm(forms.Form):
    """The close `code`, and the `reason` that clients see."""

    code = forms.IntegerField(
        label=_("Close code"),
        initial=int(CloseCode.REVOKED),
        help_text=_(
            "1000, or 3000 to 4999. Clients of REST Channels reconnect after 4500 to 4599, and "
            "after no other of these codes."
        ),
    )
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        widget=AdminTextInputWidget,
        help_text=_("The client sees it. At most 123 bytes."),
    )

    def clean_code(self) -> int:
        code: int = self.cleaned_data["code"]
        if code != CloseCode.NORMAL and code not in range(3000, 5000):
            raise ValidationError(_("Use 1000, or a code from 3000 to 4999."))
        return code

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        size = len(reason.encode())
        if size > REASON_BYTES:
            raise ValidationError(
                _("The reason has %(size)d bytes in UTF-8. At most %(limit)d are allowed."),
                params={"size": size, "limit": REASON_BYTES},
            )
        return reason
