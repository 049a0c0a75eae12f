"""Golden sets: asked of deployments through the governed path, judged, counted, proposed."""
