"""The check of the `Origin` of a handshake."""

import pytest
from django.test import override_settings
from django.urls import path

from rest_channels.handshake import origins
from rest_channels.handshake.http_request import http_request
from rest_channels.handshake.origins import SiteRequest, origin_allowed
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


def allowed(*origins, host=b"testserver", scheme="ws", headers=()):
    own_headers = [(b"origin", o if isinstance(o, bytes) else o.encode()) for o in origins]
    return origin_allowed(
        {
            "type": "websocket",
            "path": "/",
            "scheme": scheme,
            "headers": [(b"host", host), *own_headers, *headers],
            "server": ("testserver", 80),
        }
    )


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://testserver", b"testserver", "ws"),
        ("http://testserver:80", b"testserver", "ws"),
        ("http://testserver", b"testserver:80", "ws"),
        ("https://testserver", b"testserver", "wss"),
        ("https://testserver:443", b"testserver", "wss"),
        ("https://testserver", b"testserver:443", "wss"),
        ("http://testserver:8000", b"testserver:8000", "ws"),
        ("http://TestServer", b"testserver", "ws"),
        ("HTTP://TESTSERVER", b"testserver", "ws"),
        ("http://testserver", b"TESTSERVER", "ws"),
        ("http://127.0.0.1:8000", b"127.0.0.1:8000", "ws"),
        ("http://[::1]:8000", b"[::1]:8000", "ws"),
        ("http://[::1]", b"[::1]", "ws"),
    ],
)
@override_settings(ALLOWED_HOSTS=["testserver", "127.0.0.1", "[::1]"])
def test_a_page_of_this_site_may_connect(origin, host, scheme) -> None:
    assert allowed(origin, host=host, scheme=scheme)


@pytest.mark.parametrize(
    "origin",
    [
        "https://testserver",
        "http://testserver:8000",
        "http://testserver:443",
        "https://testserver:80",
        "http://other",
        "http://evil.testserver",
        "http://testserver.evil",
        "http://testserverevil",
        "http://127.0.0.1",
        "ws://testserver",
        "wss://testserver",
        "ftp://testserver",
        "file://testserver",
        "file://",
        "chrome-extension://testserver",
    ],
)
def test_a_page_with_another_scheme_port_or_host_may_not_connect(origin) -> None:
    assert not allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", " ", "*", "testserver", "//testserver", "http:testserver", "http:/testserver",
        "http://", "http:///", "http://[::1", "http://::1]", "http://[", "http://]", "http://[]",
        "http://[::1]x", "http://[v1.a]", "http://[g::1]", "http://testserver:x",
        "http://testserver:-1", "http://testserver:99999", "http://testserver:80:80",
        "http://testserver/", "http://testserver/path", "http://testserver?q=1",
        "http://testserver#top", "http://a@testserver", "http://testserver@evil",
        "http://evil@testserver", "http://:@testserver", "http://testserver, http://testserver",
        "http://testserver http://evil", "http://test\u2100server", "http://testserver\\@evil",
        "javascript:alert(1)", "data:text/html,x", "about:blank", "http://%74estserver",
        b"\xff\xfe", b"http://\xff", b"http://testserver\x00", b"\x00", b"h" * 60_000,
    ],
)  # fmt: skip
def test_a_malformed_origin_is_rejected_and_never_raises_an_error(origin) -> None:
    assert not allowed(origin)


def test_a_handshake_without_an_origin_is_allowed() -> None:
    assert allowed()
    assert origin_allowed({"type": "websocket", "path": "/"})


@pytest.mark.parametrize("second", ["http://testserver", "http://evil", "null", ""])
def test_a_handshake_with_two_origins_is_rejected(second) -> None:
    assert not allowed("http://testserver", second)
    assert not allowed(second, "http://testserver")


@pytest.mark.parametrize(
    "host",
    [
        b"evil",
        b"evil.testserver",
        b"",
        b"[::1",
        b"test server",
        b"a/b",
        b"testserver@evil",
        b"\xff",
    ],
)
def test_a_host_that_is_not_allowed_has_no_own_origin(host) -> None:
    assert not allowed("http://" + host.decode("latin-1"), host=host)
    assert not allowed("http://testserver", host=host)


@override_settings(CSRF_TRUSTED_ORIGINS=["https://app.example.com"])
def test_a_page_of_a_trusted_origin_may_connect_even_if_the_host_is_not_allowed() -> None:
    assert allowed("https://app.example.com", host=b"evil")


@override_settings(ALLOWED_HOSTS=[".example.com"])
def test_only_the_requested_host_is_the_own_origin_not_every_allowed_host() -> None:
    assert allowed("http://a.example.com", host=b"a.example.com")
    assert not allowed("http://b.example.com", host=b"a.example.com")


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_the_own_origin_has_the_scheme_that_the_proxy_received() -> None:
    proxied = [(b"x-forwarded-proto", b"https")]
    assert allowed("https://testserver", headers=proxied)
    assert not allowed("http://testserver", headers=proxied)


@override_settings(USE_X_FORWARDED_HOST=True, ALLOWED_HOSTS=["public.example"])
def test_the_own_origin_has_the_host_that_the_proxy_received() -> None:
    proxied = [(b"x-forwarded-host", b"public.example")]
    assert allowed("http://public.example", headers=proxied)
    assert not allowed("http://testserver", headers=proxied)


@pytest.mark.parametrize(
    "scope",
    [
        {"headers": [(b"host", b"a.example:8000")]},
        {"headers": [(b"host", b"a.example"), (b"host", b"b.example")]},
        {"headers": [(b"host", b"a.example"), (b"x-forwarded-host", b"b.example")]},
        {"headers": [(b"host", b"a.example"), (b"x_forwarded_host", b"b.example")]},
        {"headers": [(b"host", b"a.example"), (b"x-forwarded-proto", b"https, http")]},
        {"headers": [(b"host", b"a.example"), (b"x_forwarded_proto", b"https")]},
        {"headers": [(b"x-forwarded-port", b"8443")], "scheme": "wss"},
        {"headers": [], "server": ("a.example", 443), "scheme": "wss"},
        {"headers": [], "server": ("/run/site.sock", None)},
        {"headers": [], "server": None},
        {},
    ],
)
@override_settings(
    ALLOWED_HOSTS=["*"],
    USE_X_FORWARDED_HOST=True,
    USE_X_FORWARDED_PORT=True,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)
def test_the_own_origin_is_that_of_the_request_that_django_would_make(scope) -> None:
    scope = {"type": "websocket", "path": "/", "server": ("b.example", 80), **scope}
    site, whole = SiteRequest(scope), http_request(scope)
    assert (site.scheme, site._get_raw_host()) == (whole.scheme, whole._get_raw_host())


@override_settings(ALLOWED_HOSTS=["*"])
def test_an_origin_that_is_longer_than_any_host_is_refused_and_not_kept() -> None:
    host = "a" * 400 + ".example"
    kept = origins._parse_short.cache_info().currsize
    scope = {"headers": [(b"host", host.encode()), (b"origin", f"http://{host}".encode())]}
    assert not origin_allowed({"type": "websocket", "path": "/", **scope})
    assert origins._parse_short.cache_info().currsize == kept


# Trusted origins


@pytest.mark.parametrize("setting", ["CSRF_TRUSTED_ORIGINS", "REST_CHANNELS"])
def test_both_settings_name_trusted_origins(setting) -> None:
    origins = ["https://app.example.com", "http://localhost:5173"]
    value = origins if setting == "CSRF_TRUSTED_ORIGINS" else {"ALLOWED_ORIGINS": origins}
    with override_settings(**{setting: value}):
        assert allowed("https://app.example.com")
        assert allowed("https://APP.example.com:443")
        assert allowed("http://localhost:5173")
        assert not allowed("http://app.example.com")
        assert not allowed("https://app.example.com:8443")
        assert not allowed("http://localhost")
        assert not allowed("https://example.com")
        assert not allowed("https://x.app.example.com")
        assert allowed("http://testserver")


@override_settings(CSRF_TRUSTED_ORIGINS=["https://*.example.com", "http://*.local:8000"])
@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        ("https://a.example.com", True),
        ("https://a.b.example.com", True),
        ("https://A.EXAMPLE.COM", True),
        ("http://a.local:8000", True),
        ("http://a.example.com", False),
        ("https://a.example.com:8443", False),
        ("https://evilexample.com", False),
        ("https://example.com.evil", False),
        ("https://a.example.com.evil", False),
        ("http://a.local", False),
        ("https://*.example.com.evil", False),
        ("null", False),
    ],
)
def test_a_wildcard_trusts_every_subdomain(origin, trusted) -> None:
    assert allowed(origin) is trusted


@override_settings(REST_CHANNELS={"ALLOWED_ORIGINS": ["*"]})
def test_a_star_trusts_every_valid_origin_and_rejects_malformed_origins() -> None:
    assert allowed("https://anything.example:1234")
    assert not allowed("null")
    assert not allowed("http://[::1")


@override_settings(CSRF_TRUSTED_ORIGINS=["https://*"])
def test_a_star_as_a_host_trusts_no_origin_as_in_the_setting_of_django() -> None:
    assert not allowed("https://evil.example")


@pytest.mark.parametrize(
    "malformed", ["example.com", "", "http://[::1", "null", "https://", "://*."]
)
def test_a_malformed_trusted_origin_trusts_no_page(malformed) -> None:
    with override_settings(REST_CHANNELS={"ALLOWED_ORIGINS": [malformed]}):
        assert allowed("http://testserver")
        for origin in ("http://example.com", "https://evil", "null", "http://[::1"):
            assert not allowed(origin)


# The application


def make_application():
    return SocketApplication([path("", SocketView.as_asgi())])


@pytest.mark.parametrize("origin", ["http://testserver", None])
async def test_the_application_accepts_pages_of_this_site(origin) -> None:
    headers = [] if origin is None else [("origin", origin)]
    async with SocketCommunicator(make_application(), headers=headers) as socket:
        await socket.expect_nothing()


@pytest.mark.parametrize(
    "origin", ["http://evil", "null", "http://[::1", "https://testserver", "ÿ"]
)
async def test_the_application_rejects_other_origins_before_it_accepts(origin, caplog) -> None:
    socket = SocketCommunicator(make_application(), headers=[("origin", origin)])
    accepted, _code = await socket.connect()
    await socket.disconnect()
    assert not accepted
    assert [record.exc_info for record in caplog.records] == [None]


async def test_the_application_rejects_a_host_that_is_not_allowed(caplog) -> None:
    socket = SocketCommunicator(make_application(), headers=[("origin", "http://evil")])
    socket.scope["headers"][0] = (b"host", b"evil")
    accepted, _code = await socket.connect()
    await socket.disconnect()
    assert not accepted
    assert all(record.exc_info is None for record in caplog.records)
