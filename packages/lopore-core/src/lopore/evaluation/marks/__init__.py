"""Indications against what is known of a film: masks, or places along it."""
