"""Progress bars: those of `datasets`, which `datasets.disable_progress_bars()` switches off."""

from __future__ import annotations

import datasets

progress_bar = getattr(datasets.utils, "tqdm", None) or datasets.utils.logging.tqdm  # the latter before 2.15
