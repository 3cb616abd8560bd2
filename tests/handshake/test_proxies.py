"""The address, scheme and host of a client behind trusted proxies."""

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import path
from rest_framework.throttling import BaseThrottle

from rest_channels.handshake.proxies import without_proxies
from rest_channels.routing import SocketApplication
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

PROXIES = ["10.0.0.1", "192.168.0.0/16", "fd00::/8"]


def trust_proxies(*proxies):
    return override_settings(REST_CHANNELS={"TRUSTED_PROXIES": list(proxies)})


def handshake(*headers, peer="10.0.0.1", **scope):
    """Return a scope. `headers` are pairs of text whose names lack `x-forwarded-`."""
    forwarded = [
        (b"x-forwarded-" + name.encode(), value.encode("latin-1")) for name, value in headers
    ]
    client = None if peer is None else (peer, 50_000)
    return {
        "type": "websocket",
        "path": "/",
        "scheme": "ws",
        "client": client,
        "headers": [(b"host", b"inner:8000"), (b"cookie", b"a=1"), *forwarded],
        **scope,
    }


def client_of(*headers, **scope):
    return without_proxies(handshake(*headers, **scope))["client"]


@pytest.mark.parametrize(
    ("addresses", "client"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:567", "1.2.3.4"),
        ("  1.2.3.4  ", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8:0::1]:567", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 192.168.7.7", "1.2.3.4"),
        ("1.2.3.4,192.168.7.7:80,[fd00::5]:80,::ffff:10.0.0.1", "1.2.3.4"),
        ("anything, <script>, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        ("192.168.1.1, 192.168.1.2", "192.168.1.1"),
    ],
)
@trust_proxies(*PROXIES)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(addresses, client) -> None:
    assert client_of(("for", addresses)) == (client, 0)


@trust_proxies(*PROXIES)
def test_several_headers_of_one_name_count_as_one_list() -> None:
    headers = [("for", "6.6.6.6, 1.2.3.4"), ("proto", "https"), ("for", "192.168.7.7")]
    assert client_of(*headers) == ("1.2.3.4", 0)


@pytest.mark.parametrize(
    "addresses",
    [
        "", " ", ",", "unknown", "_hidden", "unix:", "1.2.3", "1.2.3.4.5", "1.2.3.400", "010.0.0.2",
        "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:-1", "1.2.3.4:1234567", "1.2.3.4:\xb2", "[::1", "::1]",
        "[]", "[]:80", "[::1]x", "[::1]:", "[::1]:x", "[[::1]]", ":80", "fe80::1%eth0",
        "2001:db8::1%<script>", "1.2.3.4/32", '"1.2.3.4"', "for=1.2.3.4", "\xff\xfe", "1" * 5_000,
        "1.2.3.4, ", "1.2.3.4,,10.0.0.1", "1.2.3.4, unknown, 10.0.0.1", "1.2.3.4 5.6.7.8",
    ],
)  # fmt: skip
@trust_proxies(*PROXIES)
def test_a_malformed_address_leaves_the_scope_unchanged(addresses) -> None:
    original = handshake(("for", addresses))
    assert without_proxies(original) == original


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "wss"),
        ("http", "ws"),
        ("wss", "wss"),
        ("ws", "ws"),
        ("HTTPS", "wss"),
        ("https, http", "wss"),
        ("http,https", "ws"),
        ("ftp", "kept"),
        ("", "kept"),
        ("on", "kept"),
        ("https://", "kept"),
        ("\xff", "kept"),
    ],
)
@trust_proxies(*PROXIES)
def test_the_scheme_is_the_scheme_that_the_browser_used(value, scheme) -> None:
    assert without_proxies(handshake(("proto", value), scheme="kept"))["scheme"] == scheme


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("public.example", "public.example"),
        ("public.example:8443", "public.example:8443"),
        ("[::1]:8443", "[::1]:8443"),
        ("public.example, inner", "public.example"),
        ("", None),
        ("a/b", None),
        ("a@b", None),
        ("a b", None),
        ("public.example:x", None),
        ("\xff", None),
    ],
)
@trust_proxies(*PROXIES)
def test_the_host_is_the_host_that_the_browser_used(value, host) -> None:
    headers = without_proxies(handshake(("host", value)))["headers"]
    assert [value for name, value in headers if name == b"host"] == [
        (host or "inner:8000").encode()
    ]


@trust_proxies(*PROXIES)
def test_a_header_that_was_used_is_removed_and_the_others_stay() -> None:
    original = handshake(("for", "1.2.3.4"), ("proto", "https"), ("host", "public.example"))
    scope = without_proxies(original)
    assert sorted(scope["headers"]) == [(b"cookie", b"a=1"), (b"host", b"public.example")]
    assert without_proxies(scope) is scope
    assert original["client"] == ("10.0.0.1", 50_000)
    assert len(original["headers"]) == 5


FORWARDED = [("for", "6.6.6.6"), ("proto", "https"), ("host", "evil.example")]


@pytest.mark.parametrize(
    "peer",
    ["10.0.0.2", "1.2.3.4", "::1", "192.169.0.1", "fe80::1%eth0", "testclient", "", "unix", None],
)
@trust_proxies(*PROXIES)
def test_headers_of_a_peer_that_is_not_trusted_are_ignored(peer) -> None:
    original = handshake(*FORWARDED, peer=peer)
    assert without_proxies(original) is original


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "192.168.255.255", "fd12::1"])
@trust_proxies(*PROXIES)
def test_a_proxy_is_trusted_by_its_address_or_its_network(peer) -> None:
    assert client_of(*FORWARDED, peer=peer) == ("6.6.6.6", 0)


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", None])
def test_without_the_setting_no_proxy_is_trusted(peer) -> None:
    original = handshake(*FORWARDED, peer=peer)
    assert without_proxies(original) is original


@trust_proxies("unix")
def test_the_value_unix_trusts_a_proxy_at_a_socket_file() -> None:
    assert client_of(*FORWARDED, peer=None) == ("6.6.6.6", 0)
    assert client_of(*FORWARDED, peer="10.0.0.1") == ("10.0.0.1", 50_000)


@trust_proxies("unix")
def test_without_proxies_adds_no_values_that_the_scope_lacks() -> None:
    scope = {"type": "websocket", "path": "/"}
    assert without_proxies(scope) == {**scope, "headers": []}


# The setting


@trust_proxies(*PROXIES)
def test_the_networks_are_parsed_once() -> None:
    assert api_settings.TRUSTED_PROXIES is api_settings.TRUSTED_PROXIES


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["10.0.0.1", "nginx"], "'nginx' does not appear to be"),
        (["10.0.0.1/8"], "10.0.0.1/8 has host bits set"),
        ([""], "''"),
        (["*"], r"'\*'"),
        ([5], "'5'"),
        ([None], "'None'"),
        ("10.0.0.1", "must be a list, not '10.0.0.1'"),
        (None, "must be a list, not None"),
    ],
)
def test_an_invalid_proxy_raises_an_error_and_fails_the_system_check(value, message) -> None:
    with override_settings(REST_CHANNELS={"TRUSTED_PROXIES": value}):
        with pytest.raises(ImproperlyConfigured, match=f"TRUSTED_PROXIES.*{message}"):
            _ = api_settings.TRUSTED_PROXIES
        (error,) = (found for found in run_checks() if found.id.startswith("rest_channels.E"))
    assert error.id == "rest_channels.E001"
    assert "TRUSTED_PROXIES" in error.msg


# The application


class ClientView(SocketView):
    async def connect(self, request):
        client = [request.META["REMOTE_ADDR"], request.http.get_host(), request.http.scheme]
        self.send_json([*client, request.content["client"][0], BaseThrottle().get_ident(request)])


def communicator(*headers, origin=None, peer="10.0.0.1"):
    all_headers = [(f"x-forwarded-{name}", value) for name, value in headers]
    if origin is not None:
        all_headers.append(("origin", origin))
    app = SocketApplication([path("", ClientView.as_asgi())])
    socket = SocketCommunicator(app, headers=all_headers)
    socket.scope["client"] = (peer, 50_000)
    return socket


async def accepts(socket) -> bool:
    accepted, _code = await socket.connect()
    await socket.disconnect()
    return accepted


PROXIED = [("for", "6.6.6.6, 1.2.3.4"), ("proto", "https"), ("host", "localhost")]


@trust_proxies(*PROXIES)
async def test_every_reader_of_the_request_sees_the_same_client() -> None:
    async with communicator(*PROXIED) as socket:
        await socket.expect_event(["1.2.3.4", "localhost", "https", "1.2.3.4", "1.2.3.4"])


@trust_proxies(*PROXIES)
async def test_a_peer_that_is_not_trusted_is_the_client_itself() -> None:
    async with communicator(*PROXIED[1:], peer="9.9.9.9") as socket:
        await socket.expect_event(["9.9.9.9", "testserver", "http", "9.9.9.9", "9.9.9.9"])


@pytest.mark.parametrize(
    ("peer", "origin", "accepted"),
    [
        ("10.0.0.1", "https://localhost", True),
        ("10.0.0.1", "http://localhost", False),
        ("10.0.0.1", "http://testserver", False),
        ("9.9.9.9", "https://localhost", False),
        ("9.9.9.9", "http://testserver", True),
    ],
)
@trust_proxies(*PROXIES)
async def test_the_own_origin_is_the_origin_that_the_browser_sees(peer, origin, accepted) -> None:
    assert await accepts(communicator(*PROXIED, origin=origin, peer=peer)) is accepted


@trust_proxies(*PROXIES)
async def test_a_host_that_is_not_allowed_is_rejected_behind_a_proxy_too() -> None:
    evil = [("proto", "https"), ("host", "evil.example")]
    assert not await accepts(communicator(*evil, origin="https://evil.example"))


@override_settings(
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"), USE_X_FORWARDED_HOST=True
)
@trust_proxies(*PROXIES)
async def test_the_proxy_settings_of_django_give_the_same_result() -> None:
    async with communicator(*PROXIED, origin="https://localhost") as socket:
        await socket.expect_event(["1.2.3.4", "localhost", "https", "1.2.3.4", "1.2.3.4"])
