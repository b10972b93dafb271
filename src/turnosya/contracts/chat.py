"""What chat answers and tells: nothing yet."""
