"""Whether all of it lives: health as the other services show it."""
