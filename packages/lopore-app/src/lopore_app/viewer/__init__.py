"""The film viewer, the filmstrip and the chain editor in the browser."""
