"""A module whose import fails."""

handler = 1 / 0
