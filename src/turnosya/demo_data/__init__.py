"""A lively town to look at: people, businesses and a month of turnos, made up and always the same."""
