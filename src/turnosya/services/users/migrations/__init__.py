"""How the tables of users came to be, step by step."""
