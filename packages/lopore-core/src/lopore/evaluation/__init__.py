"""A model over a data set, and what a person reads of it."""
