"""Uploads, variants and signed links; nothing of them yet."""
