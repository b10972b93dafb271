"""Conversations between clients and businesses."""
