"""Middleware that allows the pages of the console only what they load from their own site."""

POLICY = "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; object-src 'none'"


def strict_policy(get_response):
    """Add the policy to the console's responses. The demo's own pages have an import map."""

    def middleware(request):
        response = get_response(request)
        if request.path.startswith(("/sockets/", "/ws/")):
            response["Content-Security-Policy"] = POLICY
        return response

    return middleware
