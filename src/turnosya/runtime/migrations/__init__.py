"""The tables that the runtime keeps in every database of a service."""
