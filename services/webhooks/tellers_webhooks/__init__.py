"""Delivers events and tallies, signed, to the endpoints that subscribers registered."""
