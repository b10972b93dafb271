"""What must happen later or again, and the service clock by which it does."""
