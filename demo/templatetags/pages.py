"""The links that all pages of the demo have."""

from django import template
from django.conf import settings

from demo.outages import may_restart_redis
from demo.pages import PAGES, page_at

register = template.Library()


@register.inclusion_tag("demo/navigation.html", takes_context=True)
def navigation(context):
    """Links to all pages of the demo."""
    return {"pages": PAGES, "current": page_at(context["request"].path)}


@register.inclusion_tag("demo/behind.html", takes_context=True)
def behind(context, page=None):
    """Links to what is behind `page`, or behind the one that is shown."""
    has_console = settings.DEBUG or context["user"].is_staff
    return {"page": page or page_at(context["request"].path), "has_console": has_console}


@register.inclusion_tag("demo/outages.html", takes_context=True)
def outages(context, cut):
    """Buttons that cause outages, and a line about what follows. `cut` is a button's text."""
    request = context["request"]
    return {"cut": cut, "may_restart": may_restart_redis(request.user), "request": request}
