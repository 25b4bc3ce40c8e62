"""Bulk rounds: all calls that can be asked now, as files that any engine answers."""
