"""Charts whose colours follow the theme."""
