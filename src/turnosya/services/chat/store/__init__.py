"""The SQL of chat: ``messages`` is where it is hot, ``lists`` what is shown, ``people`` what is forgotten."""
