"""How the tables of business came to be, step by step."""
