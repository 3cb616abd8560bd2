"""The rooms that `demo_setup` creates: name, host and messages."""

from .models import Message, Presence, Room

SAMPLES = [
    ("Kitchen", "ada", [
        ("ada", "Who bakes the bread this week?"),
        ("ben", "I can do it on Thursday."),
        ("cleo", "Thank you. The flour is in the cupboard on the left."),
        ("ben", "Found it. Two loaves or three?"),
    ]),
    ("Reading club", "cleo", [
        ("cleo", "Please read chapter nine by Thursday."),
        ("ada", "I am in chapter two. Can we meet a week later?"),
    ]),
    ("Workshop", "ben", [
        ("ben", "The lathe is repaired. Please clean it after use."),
    ]),
]  # fmt: skip


def create_rooms(users):
    """Create the samples that are missing, and delete presences that a killed server left."""
    Presence.objects.all().delete()
    for name, host, messages in SAMPLES:
        room, is_new = Room.objects.get_or_create(name=name, defaults={"host": users[host]})
        if is_new:
            for user, text in messages:
                Message.objects.create(room=room, user=users[user], text=text)
