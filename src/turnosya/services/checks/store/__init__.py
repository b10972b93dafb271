"""The SQL of checks, a file per noun."""
