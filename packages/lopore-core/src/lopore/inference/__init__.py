"""An open model at work."""
