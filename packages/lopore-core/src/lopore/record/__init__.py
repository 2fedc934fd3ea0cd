"""What travels with weights."""
