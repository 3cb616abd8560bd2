"""The compositions that `demo_setup` creates: title, tempo, owner, members, tracks."""

from .models import STEPS, Composition, Presence

SAMPLES = [
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


def create_compositions(users):
    """Create the samples that are missing, and delete presences that a killed server left."""
    Presence.objects.all().delete()
    for sample in SAMPLES:
        create_composition(users, *sample)


def create_composition(users, title, tempo, owner, members, tracks):
    if Composition.objects.filter(versions__data__title=title, versions__number=1).exists():
        return
    composition = Composition.objects.create(title=title, owner=users[owner])
    composition.members.set(users[name] for name in members)
    cells = []
    for name, pattern in tracks.items():
        track = composition.tracks.create(name=name)
        cells += [
            {"track": track.pk, "step": step, "on": pattern[step] == "x"} for step in range(STEPS)
        ]
    composition.change(users[owner], title=title, tempo=tempo, cells=cells)
