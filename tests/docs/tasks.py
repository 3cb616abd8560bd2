import json

from rest_channels.groups import Channel

from .models import Note


def count_notes(address):
    text = json.dumps({"notes": Note.objects.count()})
    Channel(address).send({"text": text})
