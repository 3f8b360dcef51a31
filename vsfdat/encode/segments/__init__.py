"""A film in segments, each made whole and kept, so that nothing that is done has to be done again.

Without torch, without a codec: which segments there are, which are done, and where they lie.
"""

from .kept_frames import KeptFrames
from .manifest import Identity, Manifest, Part, find_differences, is_job, is_partial
from .plan import Segment, plan_segments

__all__ = [
    "Identity", "KeptFrames", "Manifest", "Part", "Segment", "find_differences", "is_job", "is_partial",
    "plan_segments",
]  # fmt: skip
