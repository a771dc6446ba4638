"""The limits of the report, which keep its size and the memory for its figures small."""

MAX_GROUPS = 50
"""Models, regions, teams, errors and rules that are counted one by one. Further ones are summed up."""

MAX_EXAMPLES = 5
"""Record ids of an error or a rule."""

MAX_REASONS = 3
"""Reasons of a rejected line."""

MAX_REJECTED = 25
"""Rejected lines."""

MAX_SAMPLES = 20
"""Sample answers."""

MAX_SAMPLE_CHARACTERS = 4_000
"""Characters of a sample answer."""

MAX_NAME = 200
"""Characters of a name, such as a record id or an error code."""

MAX_TEXT = 600
"""Characters of a message, or of the text of a rejected line."""
