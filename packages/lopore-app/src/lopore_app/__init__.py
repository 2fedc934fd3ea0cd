"""lopore's web app: pages lay out, ``session`` computes, ``widgets`` turn parameters into controls."""
