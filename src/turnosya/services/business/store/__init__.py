"""The SQL of business: ``businesses`` for the whole of one, ``search`` for many, ``ratings``."""
