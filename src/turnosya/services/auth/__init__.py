"""Codes, tokens, sessions and who may not come in. Its store is Redis alone."""
