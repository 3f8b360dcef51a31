"""The containers that the command writes."""

# By the ending of a name: what FFmpeg calls them.
CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".webm": "webm"}
