"""Conversations between clients and businesses; nothing of them yet."""
