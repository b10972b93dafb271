# What of python-socketio is used; it has no types of its own.
