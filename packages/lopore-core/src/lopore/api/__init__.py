"""lopore from Python: what a notebook or a script calls; the records are those that the commands print."""
