"""The rooms that `demo_setup` brings: name, host, and what was said there."""

from .models import Message, Room, Visit

SAMPLES = [
    ("Kitchen", "ada", [
        ("ada", "Who has eaten the last of the pancakes?"),
        ("ben", "I can explain."),
        ("cleo", "He cannot."),
        ("ben", "There were two. Now there is a memory of two."),
    ]),
    ("Reading club", "cleo", [
        ("cleo", "Chapter nine by Thursday. No spoilers, please."),
        ("ada", "I am on chapter two, so I could not spoil a thing."),
    ]),
    ("Workshop", "ben", [
        ("ben", "The lathe is free again. Mind the blue lever."),
    ]),
]  # fmt: skip


def bring_rooms(people):
    """Rooms that are there already stay as they are, but nobody is in them."""
    Visit.objects.all().delete()  # a server that was killed could not say goodbye
    for name, host, messages in SAMPLES:
        room, is_new = Room.objects.get_or_create(name=name, defaults={"host": people[host]})
        if is_new:
            for user, text in messages:
                Message.objects.create(room=room, user=people[user], text=text)
