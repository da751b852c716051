"""Property tests draw the same examples on every machine, and a slow or busy machine fails none of them."""

import os

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before NumPy: waiting threads cost more than they give

from hypothesis import settings  # noqa: E402

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")
