"""Thin doors to the library: an event comes in, a library call is made, an event goes out."""
