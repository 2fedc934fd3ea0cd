"""One experiment as data."""
