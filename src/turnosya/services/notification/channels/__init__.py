"""The ways out of here: each speaks to one kind of provider, and says what became of a message."""
