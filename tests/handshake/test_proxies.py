"""Who really connects, where proxies stand between."""

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


def trusting(*proxies):
    return override_settings(REST_CHANNELS={"TRUSTED_PROXIES": list(proxies)})


def handshake(*headers, peer="10.0.0.1", **scope):
    """A scope. In: pairs of text, without `x-forwarded-` before the names."""
    given = [(b"x-forwarded-" + name.encode(), value.encode("latin-1")) for name, value in headers]
    client = None if peer is None else (peer, 50_000)
    return {
        "type": "websocket",
        "path": "/",
        "scheme": "ws",
        "client": client,
        "headers": [(b"host", b"inner:8000"), (b"cookie", b"a=1"), *given],
        **scope,
    }


def client_of(*headers, **scope):
    return without_proxies(handshake(*headers, **scope))["client"]


@pytest.mark.parametrize(
    ("chain", "client"),
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
@trusting(*PROXIES)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(chain, client) -> None:
    assert client_of(("for", chain)) == (client, 0)


@trusting(*PROXIES)
def test_the_lines_of_a_header_are_one_chain() -> None:
    lines = [("for", "6.6.6.6, 1.2.3.4"), ("proto", "https"), ("for", "192.168.7.7")]
    assert client_of(*lines) == ("1.2.3.4", 0)


@pytest.mark.parametrize(
    "chain",
    [
        "", " ", ",", "unknown", "_hidden", "unix:", "1.2.3", "1.2.3.4.5", "1.2.3.400", "010.0.0.2",
        "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:-1", "1.2.3.4:1234567", "1.2.3.4:\xb2", "[::1", "::1]",
        "[]", "[]:80", "[::1]x", "[::1]:", "[::1]:x", "[[::1]]", ":80", "fe80::1%eth0",
        "2001:db8::1%<script>", "1.2.3.4/32", '"1.2.3.4"', "for=1.2.3.4", "\xff\xfe", "1" * 5_000,
        "1.2.3.4, ", "1.2.3.4,,10.0.0.1", "1.2.3.4, unknown, 10.0.0.1", "1.2.3.4 5.6.7.8",
    ],
)  # fmt: skip
@trusting(*PROXIES)
def test_a_way_that_is_malformed_leads_nowhere(chain) -> None:
    given = handshake(("for", chain))
    assert without_proxies(given) == given


@pytest.mark.parametrize(
    ("said", "scheme"),
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
@trusting(*PROXIES)
def test_the_scheme_is_the_one_that_the_browser_used(said, scheme) -> None:
    assert without_proxies(handshake(("proto", said), scheme="kept"))["scheme"] == scheme


@pytest.mark.parametrize(
    ("said", "host"),
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
@trusting(*PROXIES)
def test_the_host_is_the_one_that_the_browser_asked(said, host) -> None:
    headers = without_proxies(handshake(("host", said)))["headers"]
    assert [value for name, value in headers if name == b"host"] == [
        (host or "inner:8000").encode()
    ]


@trusting(*PROXIES)
def test_a_header_that_was_believed_is_taken_out_and_the_rest_stays() -> None:
    given = handshake(("for", "1.2.3.4"), ("proto", "https"), ("host", "public.example"))
    scope = without_proxies(given)
    assert sorted(scope["headers"]) == [(b"cookie", b"a=1"), (b"host", b"public.example")]
    assert without_proxies(scope) is scope
    assert given["client"] == ("10.0.0.1", 50_000)
    assert len(given["headers"]) == 5


SAID = [("for", "6.6.6.6"), ("proto", "https"), ("host", "evil.example")]


@pytest.mark.parametrize(
    "peer",
    ["10.0.0.2", "1.2.3.4", "::1", "192.169.0.1", "fe80::1%eth0", "testclient", "", "unix", None],
)
@trusting(*PROXIES)
def test_nobody_else_is_believed(peer) -> None:
    given = handshake(*SAID, peer=peer)
    assert without_proxies(given) is given


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "192.168.255.255", "fd12::1"])
@trusting(*PROXIES)
def test_a_proxy_is_known_by_its_address_or_its_network(peer) -> None:
    assert client_of(*SAID, peer=peer) == ("6.6.6.6", 0)


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", None])
def test_without_the_setting_there_are_no_proxies(peer) -> None:
    given = handshake(*SAID, peer=peer)
    assert without_proxies(given) is given


@trusting("unix")
def test_a_proxy_at_a_socket_file_has_no_address() -> None:
    assert client_of(*SAID, peer=None) == ("6.6.6.6", 0)
    assert client_of(*SAID, peer="10.0.0.1") == ("10.0.0.1", 50_000)


@trusting("unix")
def test_what_a_scope_lacks_is_not_made_up() -> None:
    scope = {"type": "websocket", "path": "/"}
    assert without_proxies(scope) == {**scope, "headers": []}


# The setting


@trusting(*PROXIES)
def test_the_networks_are_read_once() -> None:
    assert api_settings.TRUSTED_PROXIES is api_settings.TRUSTED_PROXIES


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["10.0.0.1", "nginx"], "'nginx' does not appear to be"),
        (["10.0.0.1/8"], "10.0.0.1/8 has host bits set"),
        ([""], "''"),
        (["*"], r"'\*'"),
        ([5], "'5'"),
        ([None], "'None'"),
        ("10.0.0.1", "is a list, not '10.0.0.1'"),
        (None, "is a list, not None"),
    ],
)
def test_what_is_no_proxy_is_named_when_it_is_read_and_by_the_checks(given, words) -> None:
    with override_settings(REST_CHANNELS={"TRUSTED_PROXIES": given}):
        with pytest.raises(ImproperlyConfigured, match=f"TRUSTED_PROXIES.*{words}"):
            _ = api_settings.TRUSTED_PROXIES
        (message,) = (one for one in run_checks() if one.id.startswith("rest_channels"))
    assert message.id == "rest_channels.E001"
    assert "TRUSTED_PROXIES" in message.msg


# At the door


class Seen(SocketView):
    async def connect(self, request):
        seen = [request.META["REMOTE_ADDR"], request.http.get_host(), request.http.scheme]
        self.send_json([*seen, request.content["client"][0], BaseThrottle().get_ident(request)])


def knock(*headers, origin=None, peer="10.0.0.1"):
    given = [(f"x-forwarded-{name}", value) for name, value in headers]
    if origin is not None:
        given.append(("origin", origin))
    app = SocketApplication([path("", Seen.as_asgi())])
    socket = SocketCommunicator(app, headers=given)
    socket.scope["client"] = (peer, 50_000)
    return socket


async def accepts(socket) -> bool:
    accepted, _code = await socket.connect()
    await socket.disconnect()
    return accepted


PROXIED = [("for", "6.6.6.6, 1.2.3.4"), ("proto", "https"), ("host", "localhost")]


@trusting(*PROXIES)
async def test_whatever_looks_at_the_client_sees_the_same_one() -> None:
    async with knock(*PROXIED) as socket:
        await socket.expect_event(["1.2.3.4", "localhost", "https", "1.2.3.4", "1.2.3.4"])


@trusting(*PROXIES)
async def test_who_is_not_trusted_is_seen_himself() -> None:
    async with knock(*PROXIED[1:], peer="9.9.9.9") as socket:
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
@trusting(*PROXIES)
async def test_the_own_origin_is_that_of_the_browsers_side(peer, origin, accepted) -> None:
    assert await accepts(knock(*PROXIED, origin=origin, peer=peer)) is accepted


@trusting(*PROXIES)
async def test_a_host_that_is_not_ours_is_refused_behind_a_proxy_too() -> None:
    evil = [("proto", "https"), ("host", "evil.example")]
    assert not await accepts(knock(*evil, origin="https://evil.example"))


@override_settings(
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"), USE_X_FORWARDED_HOST=True
)
@trusting(*PROXIES)
async def test_djangos_own_settings_for_proxies_say_the_same() -> None:
    async with knock(*PROXIED, origin="https://localhost") as socket:
        await socket.expect_event(["1.2.3.4", "localhost", "https", "1.2.3.4", "1.2.3.4"])
