"""From a saved row to the changes that were committed."""
