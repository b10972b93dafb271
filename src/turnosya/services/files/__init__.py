"""Uploads, variants and signed links."""
