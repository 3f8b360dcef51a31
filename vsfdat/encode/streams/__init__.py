"""Everything in a file beside its pictures: what becomes of it is planned first, and done in step with them."""

from .captioner import Captioner
from .copy import CopiedStreams
from .plan import Plan, plan_streams

__all__ = ["Captioner", "CopiedStreams", "Plan", "plan_streams"]
