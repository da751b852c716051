"""Property tests draw the same examples on every machine, and a slow machine fails none of them."""

from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")
