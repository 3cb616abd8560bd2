"""Several processes behind one Valkey: the broker, the processes, and who in them hears what."""
