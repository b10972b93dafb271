"""How the tables of notification came to be, step by step."""
