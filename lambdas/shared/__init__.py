"""Code for all entry points: settings, JSON codec, managers, clients, problems, logging, metrics."""
