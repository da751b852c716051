"""The small shared module: what a lesson has derived once, every later lesson may import."""
