"""What files answers and tells: nothing yet."""
