"""Who asks: application keys, people's own credentials, and the acts people may do."""
