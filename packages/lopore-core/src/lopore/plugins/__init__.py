"""Plugins found, checked and kept apart from one another."""
