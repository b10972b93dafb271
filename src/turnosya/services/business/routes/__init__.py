"""The HTTP face of business, a file per noun."""
