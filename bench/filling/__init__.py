"""Rows in bulk for measurements: one INSERT … SELECT of the database's own numbers per table."""
