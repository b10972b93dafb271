"""Migrations of turnos."""
