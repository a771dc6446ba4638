"""Send one call: the attempt loop, the call record, feature fallback and streams."""
