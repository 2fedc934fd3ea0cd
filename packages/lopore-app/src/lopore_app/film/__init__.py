"""Whole films: the inspection, its marks, and what a person decides on each of them."""
