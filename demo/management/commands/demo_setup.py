"""`demo_setup`: everything the demo needs, from any state."""

import os

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from demo.board.samples import bring_tickets
from demo.compositions.models import STEPS, Composition, Presence
from demo.people import ADMIN, NAMES, PASSWORD
from demo.plants.samples import bring_plants
from demo.table.models import Game
from demo.talk.samples import bring_rooms

SAMPLES = [
    # title, tempo, owner, members, tracks
    ("Rainy tram", 96, "ada", ["ben", "cleo"], {
        "Kick": "x......x..x.....",
        "Snare": "....x.......x..x",
        "Hat": "x.x.x.x.x.x.x.xx",
        "Clap": "............x...",
        "Bass": "x..x..x...x..x..",
        "Bell": "......x.......x.",
    }),
    ("Night shift", 124, "ben", ["ada", "cleo"], {
        "Kick": "x...x...x...x...",
        "Clap": "....x.......x...",
        "Hat": "..x...x...x...x.",
        "Bass": "..x..x..x..x..x.",
    }),
    ("Ada's sketchbook", 72, "ada", [], {
        "Kick": "x.........x.....",
        "Hat": "..x...x...x...x.",
        "Bell": "x.....x.....x...",
    }),
]  # fmt: skip

LOG_INS = f"""
  Open   http://localhost:{{port}}/
  as     {", ".join(NAMES)}, or {ADMIN} for /admin/; every password is "{PASSWORD}"
"""


class Command(BaseCommand):
    help = "Make the database, the people and the samples; run it as often as you like."

    def handle(self, *args, **options):
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            Presence.objects.all().delete()  # a server that was killed could not say goodbye
            people = {name: self.person(name) for name in NAMES}
            self.person(ADMIN, is_staff=True, is_superuser=True)
            for sample in SAMPLES:
                self.composition(people, *sample)
            self.table("The green table", seats=4)
            bring_plants([*people.values()])
            bring_rooms(people)
            bring_tickets([*people.values()])
        self.stdout.write(LOG_INS.format(port=os.environ.get("PORT", "8000")))

    def person(self, name, **rights):
        user, is_new = get_user_model().objects.get_or_create(username=name, defaults=rights)
        if is_new:
            user.set_password(PASSWORD)
            user.save()
        return user

    def composition(self, people, title, tempo, owner, members, tracks):
        if Composition.objects.filter(versions__data__title=title, versions__number=1).exists():
            return
        composition = Composition.objects.create(title=title, owner=people[owner])
        composition.members.set(people[name] for name in members)
        cells = []
        for name, pattern in tracks.items():
            track = composition.tracks.create(name=name)
            cells += [
                {"track": track.pk, "step": step, "on": pattern[step] == "x"}
                for step in range(STEPS)
            ]
        composition.change(people[owner], title=title, tempo=tempo, cells=cells)

    def table(self, name, seats):
        game, _ = Game.objects.get_or_create(pk=1, defaults={"name": name})
        for position in range(1, seats + 1):
            game.seats.get_or_create(position=position)
