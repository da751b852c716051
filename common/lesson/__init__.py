"""What a notebook shows: figures, and claims about what was measured. Only notebooks import it."""
