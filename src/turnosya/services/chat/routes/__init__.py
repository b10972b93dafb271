"""The HTTP face of chat, a file per noun."""
