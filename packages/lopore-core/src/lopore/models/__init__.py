"""Models found, checked and opened."""
