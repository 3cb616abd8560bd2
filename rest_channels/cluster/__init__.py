"""How server processes speak to each other: two lanes through Django Channels' layer."""
