"""Schedules, availability and appointments (turnos)."""
