"""Models that this server finds, opened once for all visitors."""
