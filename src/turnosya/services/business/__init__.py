"""Who offers what, where, and who works there."""
