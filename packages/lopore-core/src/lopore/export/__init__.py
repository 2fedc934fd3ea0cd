"""Models in other formats, each proven equal to its source."""
