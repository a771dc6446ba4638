"""What callers pass in and get back: plain dataclasses and enums."""
