"""The SQL of notification."""
