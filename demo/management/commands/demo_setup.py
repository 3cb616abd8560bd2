"""`demo_setup`: migrate the demo's database and create its users and samples."""

import os

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from demo.chat_rooms.samples import create_rooms
from demo.dice_game.models import Game
from demo.people import ADMIN, NAMES, PASSWORD
from demo.plants.samples import create_plants
from demo.sequencer.samples import create_compositions
from demo.shopping_list.samples import create_items
from demo.ticket_board.samples import create_tickets

INSTRUCTIONS = f"""
  Open       http://localhost:{{port}}/
  Log in as  {", ".join(NAMES)}, or {ADMIN} for /admin/. Every password is "{PASSWORD}".
"""


class Command(BaseCommand):
    help = "Create the database, users and samples of the demo. It is safe to run it again."

    def handle(self, *args, **options):
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            users = {name: self.create_user(name) for name in NAMES}
            self.create_user(ADMIN, is_staff=True, is_superuser=True)
            create_items()
            create_compositions(users)
            self.create_game("The green table", seats=4)
            create_plants([*users.values()])
            create_rooms(users)
            create_tickets([*users.values()])
        self.stdout.write(INSTRUCTIONS.format(port=os.environ.get("PORT", "8000")))

    def create_user(self, name, **rights):
        user, is_new = get_user_model().objects.get_or_create(username=name, defaults=rights)
        if is_new:
            user.set_password(PASSWORD)
            user.save()
        return user

    def create_game(self, name, seats):
        game, _ = Game.objects.get_or_create(pk=1, defaults={"name": name})
        for position in range(1, seats + 1):
            game.seats.get_or_create(position=position)
