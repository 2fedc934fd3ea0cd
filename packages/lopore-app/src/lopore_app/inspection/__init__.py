"""The session of one visitor: films, chain, view, answer."""
