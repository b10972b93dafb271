"""How the tables of jobs came to be, step by step."""
