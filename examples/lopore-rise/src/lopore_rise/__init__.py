"""RISE heat maps for any model that lopore opens."""
