"""Seeing before waiting: moments of a film by several models, side by side, and what all of it would take."""
