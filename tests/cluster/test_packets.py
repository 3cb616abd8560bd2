"""The format of packets on the wire, which two releases have to understand."""

import msgpack
import pytest

from rest_channels.cluster.packets import (
    Acknowledgement,
    CommandPacket,
    EventsPacket,
    LastNumbers,
    SelfTest,
    UnreadablePacket,
    pack,
    unpack,
)
from rest_channels.protocol.messages import Event

NODE = "3f9a0c1b2d-1"
RENDERED = Event.rendered("chess", {"move": "e4"}, '{"move":"é4"}')
EVENTS = [
    Event("chess", {"type": "moved", "to": "e4"}),
    Event("chess", None, "text", None, 4),
    Event("chess", None, None, b"\x00\xff", 2),
    Event("chess", None, "bye", None, 3, 4000, accept=True),
    Event("chess", {"type": "moved"}, also_on_layer=True),
]


def transmit(packet):
    """Return `packet` as another process receives it."""
    return unpack(msgpack.unpackb(msgpack.packb(pack(NODE, packet))))


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_arrives_as_it_was_sent(event) -> None:
    packet = EventsPacket("chess", 12.5, 0.25, 7, (event,))
    assert transmit(packet) == (NODE, packet)


def test_a_rendered_event_is_sent_as_its_text_only() -> None:
    _node, packet = transmit(EventsPacket("chess", 0.0, 0.0, 1, (RENDERED,)))
    [event] = packet.events
    assert event == RENDERED._replace(data=None, rendered_elsewhere=True)
    assert "move" not in pack(NODE, packet)["events"][0]


@pytest.mark.parametrize(
    "packet",
    [
        LastNumbers({"chess": (1.5, 2.0, 3)}),
        CommandPacket("enlist", (f"{NODE}.5", "chess", "group"), 9),
        CommandPacket("expire", (["key"], ["1"], 4440, "Bye.")),
        Acknowledgement(9),
        SelfTest(4),
    ],
)
def test_a_packet_of_every_kind_arrives_as_it_was_sent(packet) -> None:
    assert transmit(packet) == (NODE, packet)


def test_a_command_can_contain_an_event() -> None:
    event = Event("", None, "for you", None, 7)
    _node, packet = transmit(CommandPacket("tell", (f"{NODE}.5", event)))
    assert packet.args == (f"{NODE}.5", event)


def test_a_reader_ignores_keys_that_a_newer_release_adds() -> None:
    message = pack(NODE, EventsPacket("chess", 0.0, 0.0, 1, (EVENTS[1],)))
    message["offset"] = 12
    message["events"][0]["epoch"] = "x"
    assert unpack(message)[1].events == (EVENTS[1],)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"v": 2, "from": NODE, "kind": "say"}, "version 2"),
        ({"v": 1, "from": NODE, "kind": "dance"}, "kind 'dance'"),
        ({"v": 1, "from": NODE, "kind": "say", "group": "chess"}, "broken 'say'"),
        ({"v": 1, "from": NODE, "kind": "heads", "streams": [1]}, "broken 'heads'"),
        ({"type": "chat.message"}, "no packet"),
        ({"v": "new", "from": NODE, "kind": "say"}, "no packet"),
        ({"v": 1, "from": NODE, "kind": ["say"]}, "no packet"),
        (None, "no packet"),
    ],
)
def test_an_unreadable_packet_raises_an_error_with_the_reason(message, reason) -> None:
    with pytest.raises(UnreadablePacket, match=reason):
        unpack(message)
