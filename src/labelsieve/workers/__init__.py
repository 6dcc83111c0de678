"""Ways to do the same work in several processes: here, or on a Ray cluster."""
