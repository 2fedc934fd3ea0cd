"""The HTTP service of lopore."""
