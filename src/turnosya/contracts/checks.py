"""What checks answers and tells: nothing yet."""
