"""The front door: the only service that the outside reaches."""
