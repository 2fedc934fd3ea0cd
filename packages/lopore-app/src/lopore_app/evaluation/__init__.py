"""Reports of `lopore eval` and what they show."""
