"""Headers that claim the address of a client, as proxies set them and as anyone can send them."""

import pytest
from django.core.cache import cache
from django.test import override_settings
from django.urls import path
from rest_framework.throttling import AnonRateThrottle

from rest_channels.handshake.http_request import http_request
from rest_channels.handshake.proxies import without_proxies
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

TRUST = override_settings(REST_CHANNELS={"TRUSTED_PROXIES": ["10.0.0.1"]})


def scope_of(peer, *headers):
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "websocket", "path": "/", "client": (peer, 5), "headers": pairs}


def address(peer, *headers):
    """Return the client's address, and how META shows it to throttles."""
    scope = without_proxies(scope_of(peer, *headers))
    meta = http_request(scope).META
    return scope["client"][0], AnonRateThrottle().get_ident(http_request(scope)), meta


class OnePerMinute(AnonRateThrottle):
    """The rate of the test."""

    rate = "1/min"


class Throttled(SocketView):
    """A view that lets an anonymous client in once per minute."""

    throttle_classes = [OnePerMinute]


@pytest.mark.parametrize("name", ["x-forwarded-for", "x_forwarded_for", "X-Forwarded-For"])
async def test_an_anonymous_client_cannot_evade_a_throttle_by_a_forged_header(name) -> None:
    cache.clear()
    application = SocketApplication([path("", Throttled.as_asgi())])
    codes = []
    for number in range(3):
        socket = SocketCommunicator(application)
        socket.scope["client"] = ("192.0.2.7", 5)
        socket.scope["headers"].append((name.encode(), f"198.51.100.{number}".encode()))
        await socket.connect()
        codes.append(await socket.expect_close() if number else None)
        await socket.disconnect()
    assert codes == [None, 4529, 4529]


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-real-ip", "forwarded", "x_real_ip"])
def test_headers_of_an_untrusted_peer_are_not_in_meta(name) -> None:
    client, ident, meta = address("192.0.2.7", (name, "198.51.100.1"))
    assert (client, ident) == ("192.0.2.7", "192.0.2.7")
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED"} & meta.keys()


@TRUST
def test_x_real_ip_of_a_trusted_proxy_is_the_client() -> None:
    assert address("10.0.0.1", ("x-real-ip", "192.0.2.9"))[:2] == ("192.0.2.9", "192.0.2.9")
    assert address("10.0.0.2", ("x-real-ip", "192.0.2.9"))[:2] == ("10.0.0.2", "10.0.0.2")


@TRUST
def test_x_forwarded_for_counts_before_x_real_ip() -> None:
    """A proxy appends to the first. Some pass on the second as they received it."""
    headers = [("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "6.6.6.6, 192.0.2.9")]
    assert address("10.0.0.1", *headers)[:2] == ("192.0.2.9", "192.0.2.9")


@TRUST
@pytest.mark.parametrize("value", ["", "me", "1.2.3.4.5", "1.2.3.4%a"])
def test_a_malformed_x_real_ip_is_ignored(value) -> None:
    assert address("10.0.0.1", ("x-real-ip", value))[:2] == ("10.0.0.1", "10.0.0.1")


@override_settings(REST_FRAMEWORK={"NUM_PROXIES": 1})
def test_the_number_of_proxies_in_drfs_settings_still_counts() -> None:
    headers = [("x-forwarded-for", "6.6.6.6, 192.0.2.9")]
    assert address("10.0.0.1", *headers)[1] == "192.0.2.9"
    with TRUST:
        assert address("10.0.0.2", *headers)[1] == "10.0.0.2"
