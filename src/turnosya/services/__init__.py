"""The ten services: none imports another, each may be run alone."""
