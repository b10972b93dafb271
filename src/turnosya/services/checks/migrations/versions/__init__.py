"""How the tables of checks came to be, step by step."""
