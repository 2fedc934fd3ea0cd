"""Probability of detection over the size of a flaw: hits and misses, or signals, and what the data can carry."""
