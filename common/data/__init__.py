"""What models read and are measured against. Knows nothing of the mathematics."""
