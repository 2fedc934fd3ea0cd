"""Copies of one image, found by how alike images are."""
