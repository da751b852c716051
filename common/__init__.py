"""The small shared module: what a lesson has derived once, every later lesson may import.

Four rooms, each importing only from those below it: lesson (what a notebook shows), models, the mathematics and its
tools (here), and data (what models read).
"""
