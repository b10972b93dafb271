"""Tells people what happened, on the channel and in the language that reach them."""
