"""The parts of the one image loader: what a file says of itself, and its pixels; used by ``radiograph`` alone."""
