"""A plugin of vs-mlrt, and the device that it is to use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A plugin and the device that it is to use.

    Args:
        name: The plugin's namespace.
        index: Of the device.
        provider: ONNX Runtime's, or OpenVINO's device; empty elsewhere and for ONNX Runtime on a CPU.
    """

    name: str
    index: int
    provider: str

    @property
    def is_cpu(self) -> bool:
        """Tell whether it computes on the CPU."""
        return (self.name == "ort" and not self.provider) or (self.name == "ov" and self.provider == "CPU")


def text(value: object) -> str:
    """Read what a plugin says, in bytes or not."""
    return value.decode() if isinstance(value, bytes) else str(value)
