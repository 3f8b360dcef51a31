"""What a file says of itself and of its streams in words."""

import io

from ..extras import require

# What containers and their tools write of themselves, and what the output says better.
_OF_THE_CONTAINER = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "software", "vendor_id", "duration", "bps",
    "number_of_frames", "number_of_bytes", "source_id", "_statistics_writing_app", "_statistics_writing_date_utc",
    "_statistics_tags",
}  # fmt: skip
# Of the picture: carried over as marks of it, or true no longer.
_OF_THE_PICTURE = {"timecode", "stereo_mode", "alpha_mode", "rotate"}
# Whose tags have names like these keeps them in a list of its own kind, which holds tags of any name.
_KEYED = ("com.apple.quicktime.", "com.android.")


def tags_of(metadata: dict[str, str]) -> dict[str, str]:
    """Keep the tags that are true of the output too."""
    kept = {
        key: value
        for key, value in metadata.items()
        if _base(key) not in _OF_THE_CONTAINER | _OF_THE_PICTURE and (_base(key) == key or _base(key) not in metadata)
    }
    if "name" in kept:
        kept.setdefault("title", kept["name"])  # as MP4 calls the title of a stream
    if "creation_time" in kept:
        kept["creation_time"] = kept["creation_time"].partition(";")[0]  # which stands twice in some
    return kept


def needs_keys(tags: dict[str, str]) -> bool:
    """Tell whether a file of Apple's kind is to hold its tags as phones do, and not as iTunes does."""
    return any(key.startswith(_KEYED) for key in tags)


def lost_tags(tags: dict[str, str], container: str) -> list[str]:
    """Name the tags of a file that a container has no place for."""
    if container not in ("mp4", "mov"):
        return []
    av, memory = require("av"), io.BytesIO()
    flags = {"movflags": "use_metadata_tags"} if needs_keys(tags) else {}
    with av.open(memory, "w", format=container, options=flags) as output:
        output.add_mux_stream("h264", rate=25, width=64, height=64)
        output.metadata.update(tags)
        output.start_encoding()
    memory.seek(0)
    with av.open(memory) as written:
        found = {key.lower() for key in written.metadata}
    return [key for key in tags if key.lower() not in found]


def _base(key: str) -> str:
    """Read BPS-eng as bps: tools add the language, and some write the same tag with it and without."""
    return key.lower().partition("-")[0]
