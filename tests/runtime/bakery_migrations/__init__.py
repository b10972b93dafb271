"""The tables of the bakery."""
