"""A guided run against a live system, through nothing but its public API."""
