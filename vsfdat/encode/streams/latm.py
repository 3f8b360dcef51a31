"""AAC as broadcasts wrap it (LATM), into AAC as files hold it (ADTS): other bits around the same sound."""

from dataclasses import dataclass

_SYNC = 0x2B7
_SBR, _PARAMETRIC_STEREO = 5, 29  # object types that stand before the one that they build upon
_GIVEN = 15  # in place of the index of a sample rate: the rate itself follows, in 24 bits
_HEADER = 7  # bytes of ADTS before each frame


@dataclass(frozen=True)
class _Config:
    """What the multiplex says once and holds until it says otherwise, as ISO/IEC 14496-3 numbers it."""

    object_type: int
    rate_index: int
    channels: int
    frames: int

    def header(self, size: int) -> bytes:
        """Build what ADTS writes before a frame of that many bytes."""
        bits = 0xFFF1  # in step, MPEG-4, no checksum
        for value, width in (
            (self.object_type - 1, 2), (self.rate_index, 4), (0, 1), (self.channels, 3), (0, 4),
            (size + _HEADER, 13), (0x7FF, 11), (0, 2),
        ):  # fmt: skip
            bits = bits << width | value
        return bits.to_bytes(_HEADER, "big")


class LatmReader:
    """Take frames of AAC out of LATM packets. It remembers the last configuration, which few packets repeat."""

    def __init__(self) -> None:
        self._config: _Config | None = None

    def read(self, packet: bytes) -> list[bytes]:
        """Unwrap the frames of one packet, each with the header that ADTS gives it.

        Raises:
            ValueError: It is damaged, or of a kind that ADTS has no words for.
        """
        bits = _Bits(packet)
        if bits.take(11) != _SYNC:
            raise ValueError("not a LATM packet")
        bits.take(13)  # its length
        if not bits.take(1):
            self._config = _read_config(bits)
        if self._config is None:
            raise ValueError("a LATM packet before the first that says what it holds")
        config = self._config
        frames = []
        for _ in range(config.frames):
            frame = bits.take_bytes(_read_length(bits))
            frames.append(config.header(len(frame)) + frame)
        return frames


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, width: int) -> int:
        """Take the next bits as a number.

        Raises:
            ValueError: There are not as many.
        """
        self._left -= width
        if self._left < 0:
            raise ValueError("a LATM packet that ends midway")
        return self._bits >> self._left & (1 << width) - 1

    def take_bytes(self, count: int) -> bytes:
        return self.take(8 * count).to_bytes(count, "big")


def _read_config(bits: _Bits) -> _Config:
    """Read StreamMuxConfig, which must describe one stream of frames of any length."""
    is_second_version = bits.take(1)
    if is_second_version and bits.take(1):
        raise ValueError("LATM of an unknown version")
    if is_second_version:
        _read_value(bits)  # how full a buffer is
    same_timing, frames, programmes, layers = bits.take(1), bits.take(6) + 1, bits.take(4), bits.take(3)
    if not same_timing or programmes or layers:
        raise ValueError("LATM with several programmes or layers")
    if is_second_version:
        size = _read_value(bits)
        described = _Bits((bits.take(size) << -size % 8).to_bytes((size + 7) // 8, "big"))
        object_type, rate_index, channels = _read_audio(described)
    else:
        object_type, rate_index, channels = _read_audio(bits)
    if bits.take(3):
        raise ValueError("LATM with frames of a fixed length")
    bits.take(8)  # how full a buffer is
    if bits.take(1):
        raise ValueError("LATM with other data beside the sound")
    if bits.take(1):
        bits.take(8)  # a checksum
    return _Config(object_type, rate_index, channels, frames)


def _read_audio(bits: _Bits) -> tuple[int, int, int]:
    """Read AudioSpecificConfig as (object type, index of the sample rate, channels as ADTS numbers them)."""
    object_type, rate_index, channels = bits.take(5), bits.take(4), bits.take(4)
    if object_type in (_SBR, _PARAMETRIC_STEREO):
        if bits.take(4) == _GIVEN:
            bits.take(24)
        object_type = bits.take(5)
    if not 1 <= object_type <= 4 or rate_index == _GIVEN or not 1 <= channels <= 7:
        raise ValueError("AAC of a kind that ADTS has no words for")
    if bits.take(3):
        raise ValueError("AAC with frames of an unusual length, or with extensions")
    return object_type, rate_index, channels


def _read_length(bits: _Bits) -> int:
    length = 0
    while (step := bits.take(8)) == 255:
        length += step
    return length + step


def _read_value(bits: _Bits) -> int:
    return bits.take(8 * (bits.take(2) + 1))
