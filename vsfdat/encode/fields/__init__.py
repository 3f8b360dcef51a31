"""Fields: what interlacing and 3:2 pulldown made of a film's pictures, found and undone.

`measure` compares fields, `cadence` finds which are of one moment, `pictures` lists what is shown when, `look` asks a
clip for all that, and `restoring` is the door.
"""

from .restoring import restore

__all__ = ["restore"]
