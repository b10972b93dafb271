"""What notification answers and tells: nothing yet; it only hears."""
