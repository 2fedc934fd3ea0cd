"""The parts of the Inspect page: films, pictures, decision, enhancement, evidence."""
