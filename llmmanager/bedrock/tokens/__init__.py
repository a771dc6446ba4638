"""Tokens, prompt caching and cost of requests before they are sent."""
