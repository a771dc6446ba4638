"""What every door needs: settings, the JSON codec, managers, clients, logging."""
