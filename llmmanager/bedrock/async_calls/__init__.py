"""The async methods of managers: each call runs on a thread while the event loop awaits it."""
