"""The SQL of turnos: ``seats`` where it is hot, ``turnos`` for one and for lists, ``shops`` for the rest."""
