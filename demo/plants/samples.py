"""The plants that `demo_setup` creates: name, species, kind, place, days between waterings."""

from datetime import timedelta

from django.utils.timezone import localdate

from .models import Plant

SAMPLES = [
    ("Admiral", "Sansevieria trifasciata", "succulent", "hall", 21),
    ("Agatha", "Saintpaulia ionantha", "flower", "study", 5),
    ("Barnaby", "Ocimum basilicum", "herb", "kitchen", 2),
    ("Big Monty", "Monstera deliciosa", "leafy", "study", 7),
    ("Captain Spike", "Echinocactus grusonii", "cactus", "balcony", 30),
    ("Clementine", "Citrus reticulata", "leafy", "balcony", 4),
    ("Curly", "Nephrolepis exaltata", "fern", "bathroom", 3),
    ("Dolores", "Anthurium andraeanum", "flower", "hall", 6),
    ("Dragonfly", "Dracaena marginata", "leafy", "hall", 10),
    ("Edith", "Begonia maculata", "leafy", "study", 6),
    ("Elephant", "Portulacaria afra", "succulent", "balcony", 14),
    ("Feathers", "Asplenium nidus", "fern", "bathroom", 4),
    ("Gertrude", "Pelargonium zonale", "flower", "balcony", 3),
    ("Goliath", "Ficus lyrata", "leafy", "hall", 9),
    ("Hamlet", "Aloe vera", "succulent", "kitchen", 18),
    ("Hedgehog", "Mammillaria hahniana", "cactus", "study", 28),
    ("Imogen", "Phalaenopsis amabilis", "flower", "bathroom", 8),
    ("Jade", "Crassula ovata", "succulent", "study", 16),
    ("Juniper", "Rosmarinus officinalis", "herb", "balcony", 6),
    ("Kevin", "Chlorophytum comosum", "leafy", "kitchen", 5),
    ("Lady Fern", "Athyrium filix-femina", "fern", "bathroom", 3),
    ("Lasagna", "Origanum vulgare", "herb", "kitchen", 4),
    ("Lemonade", "Melissa officinalis", "herb", "balcony", 3),
    ("Maestro", "Strelitzia reginae", "flower", "hall", 8),
    ("Mister Mint", "Mentha spicata", "herb", "kitchen", 2),
    ("Nebula", "Calathea orbifolia", "leafy", "bathroom", 4),
    ("Octavia", "Aspidistra elatior", "leafy", "hall", 12),
    ("Old Man", "Cephalocereus senilis", "cactus", "study", 35),
    ("Pancake", "Pilea peperomioides", "leafy", "kitchen", 6),
    ("Paprika", "Schlumbergera truncata", "cactus", "kitchen", 11),
    ("Pearl", "Curio rowleyanus", "succulent", "study", 13),
    ("Quentin", "Zamioculcas zamiifolia", "leafy", "hall", 20),
    ("Rosalind", "Hibiscus rosa-sinensis", "flower", "balcony", 3),
    ("Sergeant", "Opuntia microdasys", "cactus", "balcony", 25),
    ("Snowdrift", "Spathiphyllum wallisii", "flower", "bathroom", 5),
    ("Stag", "Platycerium bifurcatum", "fern", "bathroom", 7),
    ("Thelma", "Thymus vulgaris", "herb", "kitchen", 5),
    ("Tumbleweed", "Tillandsia xerographica", "succulent", "bathroom", 9),
    ("Uncle Ivy", "Hedera helix", "leafy", "hall", 6),
    ("Velvet", "Philodendron melanochrysum", "leafy", "study", 7),
    ("Whisper", "Adiantum raddianum", "fern", "bathroom", 2),
    ("Zorro", "Haworthiopsis fasciata", "succulent", "study", 15),
]


def create_plants(users):
    """Create the samples that are missing. Each user gets a third of them."""
    for number, (name, species, kind, place, days) in enumerate(SAMPLES):
        defaults = {
            "species": species,
            "kind": kind,
            "place": place,
            "water_every": days,
            "due": localdate() + timedelta(days=number * 5 % (days + 2) - 1),
            "owner": users[number % len(users)],
        }
        Plant.objects.get_or_create(name=name, defaults=defaults)
