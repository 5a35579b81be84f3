"""The command line, `improved-gan`."""
