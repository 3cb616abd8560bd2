"""What the admin asks for before it speaks to sockets, or closes them."""

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
"""What a close frame has room for (RFC 6455, 5.5)."""


class MessageForm(forms.Form):
    """What to send: a `type` and its `content`, a JSON object as text that is cleaned to a dict."""

    type = forms.CharField(label=_("Type"), max_length=256, widget=AdminTextInputWidget)
    content = forms.CharField(
        label=_("Data"),
        required=False,
        initial="{}",
        widget=AdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_('What the message says beside its type: a JSON object, as {"text": "hello"}.'),
    )

    def clean_content(self) -> dict[str, Any]:
        """The object. Raises `ValidationError` for text that is none, or cannot be sent on."""
        try:
            content = orjson.loads(self.cleaned_data["content"] or "{}")
            encode(content)
        except (ValueError, TypeError) as error:
            raise ValidationError(_("This is no JSON: %(why)s."), params={"why": error}) from error
        if not isinstance(content, dict):
            raise ValidationError(_('This is no JSON object: write it as {"name": "value"}.'))
        return content


class DisconnectForm(forms.Form):
    """How to close: a close `code`, and a `reason` that fits into the frame."""

    code = forms.IntegerField(
        label=_("Close code"),
        initial=int(CloseCode.REVOKED),
        help_text=_(
            "1000, or 3000 to 4999. After 4500 to 4599 the clients of REST Channels connect again; "
            "after the others they stay away."
        ),
    )
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        widget=AdminTextInputWidget,
        help_text=_("The client sees it. At most 123 bytes."),
    )

    def clean_code(self) -> int:
        """The code. Raises `ValidationError` for one that no application may close with."""
        code: int = self.cleaned_data["code"]
        if code != CloseCode.NORMAL and code not in range(3000, 5000):
            raise ValidationError(_("Use 1000, or a code from 3000 to 4999."))
        return code

    def clean_reason(self) -> str:
        """The reason. Raises `ValidationError` if it is too long."""
        reason: str = self.cleaned_data["reason"]
        size = len(reason.encode())
        if size > REASON_BYTES:
            raise ValidationError(
                _("This has %(size)d bytes in UTF-8, and %(limit)d fit."),
                params={"size": size, "limit": REASON_BYTES},
            )
        return reason
