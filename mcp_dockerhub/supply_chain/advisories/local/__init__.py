"""Advisories in a file of one's own: built from published archives, matched without a network."""
