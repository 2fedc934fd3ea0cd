"""Shards of lopore on Ray."""
