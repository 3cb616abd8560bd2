"""A strict Content-Security-Policy for all pages: scripts and styles come from this site only.

Django 6.0 has middleware for this. The demo also runs with Django 5.2.
"""

import secrets

from rest_framework.renderers import BrowsableAPIRenderer

POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
BROWSABLE_API = "; style-src 'self' 'unsafe-inline'"  # the pages of DRF have styles inside


def content_security_policy(get_response):
    """Add the policy to each response that has none. The nonce is for the import map."""

    def middleware(request):
        request.csp_nonce = secrets.token_urlsafe(16)
        response = get_response(request)
        policy = POLICY.format(nonce=request.csp_nonce)
        if isinstance(getattr(response, "accepted_renderer", None), BrowsableAPIRenderer):
            policy += BROWSABLE_API
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return middleware
