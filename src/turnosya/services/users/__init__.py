"""People, their credentials and their preferences."""
