"""TurnosYa: ten services with which small businesses give turnos and their clients book them."""
