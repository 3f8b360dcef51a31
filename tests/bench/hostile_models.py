"""Model files that are damaged, made to hurt, or something else: how each is written.

Every function here writes one file, or edits a network to be written, and does the same for the same seed.
"""

import copy
import functools
import io
import json
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vsfdat.arch import FDAT, FDATConfig
from vsfdat.arch.config import UPSAMPLER_TYPES
from vsfdat.arch.heads import UpsamplerType

Tensors = dict[Any, Any]
Write = Callable[[Path, Random], None]

META = "upsampler.MetaUpsample"
FC1, CONV_AFTER, BLOCK = "groups.0.blocks.0.ffn.fc1.weight", "conv_after.weight", "groups.0.blocks.0."
HUGE = 10**9
# Not the newer ones: what is drawn for a seed must stay what the tests know.
_HEADS = UPSAMPLER_TYPES[1:8]
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch's checkpoints of the old kind begin


def tensors(random: Random) -> Tensors:
    """A small network with any of the community's heads."""
    network = _build(random.randrange(1000), random.choice(_HEADS))
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@functools.lru_cache(maxsize=1)
def _build(seed: int, head: UpsamplerType) -> FDAT:
    torch.manual_seed(seed)
    return FDAT(embed_dim=16, num_groups=2, depth_per_group=1, num_heads=2, scale=2, mid_dim=16, upsampler_type=head)


def stretched(*shape: int) -> Tensor:
    """A tensor of any size that takes 4 bytes in a pickle."""
    return torch.zeros(1).expand(shape)


def edited(edit: Callable[[Tensors, Random], object]) -> Write:
    """Write a network after an edit; what the edit returns, if anything, takes the network's place."""

    def write(path: Path, random: Random) -> None:
        content = tensors(random)
        content = edit(content, random) or content
        if path.suffix == ".safetensors":
            save_file({key: value.contiguous() for key, value in content.items()}, path)
        else:
            torch.save(content, path, _use_new_zipfile_serialization=random.random() < 0.7)

    return write


def replaced(key: str, value: object) -> Write:
    """Write a network with one other value."""
    return edited(lambda content, random: content.update({key: value}))


def with_metadata(**metadata: str) -> Write:
    """Write a sound network that says this of itself."""
    written = {"steps": "300", "worked_s": "630", "machine": "an abacus", "started_from": "random weights"} | metadata
    return lambda path, random: save_file(tensors(random), path, written)


def holding(content: bytes) -> Write:
    """Write these bytes."""
    return lambda path, random: path.write_bytes(content) and None


def damaged(damage: Callable[[bytes, Random], bytes]) -> Write:
    """Write a sound network's file, then damage it; .ckpt is a checkpoint of the old kind."""

    def write(path: Path, random: Random) -> None:
        if path.suffix == ".safetensors":
            save_file(tensors(random), path, {"license": "CC0"})
        else:
            torch.save(tensors(random), path, _use_new_zipfile_serialization=path.suffix != ".ckpt")
        path.write_bytes(damage(path.read_bytes(), random))

    return write


def pickled(programme: bytes) -> Write:
    """Write a torch archive whose pickle is this programme."""

    def write(path: Path, random: Random) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", b"\x80\x02" + programme)
            archive.writestr("x/version", "3\n")

    return write


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(1, len(content))]


def flip(content: bytes, random: Random) -> bytes:
    """Flip bits anywhere, half the time where the names and sizes are rather than the weights."""
    places = range(min(8000, len(content))) if random.random() < 0.5 else range(len(content))
    flipped = bytearray(content)
    for _ in range(random.choice([1, 2, 8, 64])):
        flipped[random.choice(places)] ^= 1 << random.randrange(8)
    return bytes(flipped)


def zero_block(content: bytes, random: Random) -> bytes:
    """Lose a sector, as broken downloads do."""
    start = random.randrange(len(content))
    return content[:start] + bytes(len(content[start : start + 4096])) + content[start + 4096 :]


def claim_sizes(content: bytes, random: Random) -> bytes:
    """Let every entry of the archive's directory claim gigabytes."""
    claims = bytearray(content)
    place = claims.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<2L", claims, place + 20, 3 * HUGE, 3 * HUGE)
        place = claims.find(b"PK\x01\x02", place + 4)
    return bytes(claims)


def rename_somewhere(old: str, new: str) -> Callable[[Tensors, Random], Tensors]:
    """Put other names in the place of those that start with `old`."""
    return lambda content, random: {key.replace(old, new): value for key, value in content.items()}


def nameless_head(content: Tensors, random: Random) -> Tensors:
    return {key.replace("upsampler.0", "upsampler.zero"): value for key, value in content.items() if key != META}


def deflate(path: Path, random: Random) -> None:
    """Write 1.2 GB of zeros as 1.2 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        torch.save({"a": stretched(1)}, plain := io.BytesIO())
        with zipfile.ZipFile(plain) as source:
            archive.writestr("x/data.pkl", source.read("archive/data.pkl").replace(b"K\x01t", b"J\x00\x00\x00\x12t", 1))
        archive.writestr("x/version", "3\n")
        with archive.open("x/data/0", "w") as entry:
            for _ in range(1208):
                entry.write(bytes(1_000_000))


def overlap(path: Path, random: Random) -> None:
    """List one entry of 4 MB a thousand times."""
    with zipfile.ZipFile(path, "w") as archive:
        torch.save(tensors(random), plain := io.BytesIO())
        with zipfile.ZipFile(plain) as source:
            archive.writestr("x/data.pkl", source.read("archive/data.pkl"))
        archive.writestr("x/data/0", bytes(4_000_000))
        entry = archive.infolist()[-1]
        for i in range(1, 1000):
            twin = copy.copy(entry)
            twin.filename = f"x/data/{i}"
            archive.filelist.append(twin)


def many_groups(content: Tensors, random: Random) -> None:
    """Give 60,000 groups one tensor of one number each."""
    content |= {f"groups.{i}.conv.weight": torch.zeros(1) for i in range(2, 60_000)}


def many_blocks(content: Tensors, random: Random) -> None:
    """Give each of 60 groups 60 blocks of one tensor."""
    content |= {f"groups.{g}.blocks.{b}.attn.temp": torch.zeros(2, 1, 1) for g in range(60) for b in range(2, 60)}


def blocks_of_little(content: Tensors, random: Random) -> None:
    """Give 240 groups two blocks of as few tensors as pass for one, all of one number."""
    names = ("attn.temp", "n1.weight", "n1.bias", "n2.weight", "n2.bias", "attn.qkv.weight", "ffn.fc1.weight", "a")
    one = torch.zeros(1)
    content |= {f"groups.{g}.blocks.{b}.{name}": one for g in range(2, 240) for b in range(2) for name in names}


def large_and_sound(path: Path, random: Random) -> None:
    """Write a network of 72 million numbers of one byte each."""
    with torch.device("meta"):
        network = FDAT(embed_dim=240, num_groups=11, depth_per_group=6, num_heads=6, scale=2)
    kept = {key: value for key, value in network.state_dict().items() if key != META}
    save_file({key: torch.zeros(value.shape, dtype=torch.float8_e4m3fn) for key, value in kept.items()}, path)


def all_stretched(content: Tensors, random: Random) -> Tensors:
    """Describe a network that is consistent, and gigabytes large, in a pickle of kilobytes."""
    with torch.device("meta"):
        network = FDAT(FDATConfig(embed_dim=240, num_groups=12, num_heads=4, ffn_expansion_ratio=1000.0, scale=2))
    return {key: stretched(*value.shape) for key, value in network.state_dict().items() if key != META}


def header_of(**entries: object) -> Write:
    """Write a safetensors file with this header and 64 bytes of numbers."""
    header = json.dumps(entries).encode()
    return holding(struct.pack("<Q", len(header)) + header + bytes(64))


def names_only(path: Path, number: int) -> None:
    """Name this many tensors of one byte each."""
    entries = {f"a{i}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(number)}
    header = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(number))


def a_tar(path: Path, random: Random) -> None:
    inside = path.with_suffix(".inside")
    torch.save(tensors(random), inside)
    with tarfile.open(path, "w") as archive:
        archive.add(inside, "model.pth")
    inside.unlink()


def a_zip(path: Path, random: Random) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "see inside")


def torch_script(path: Path, random: Random) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


def saved_as(other: str) -> Write:
    """Write what belongs into a file of another ending."""

    def write(path: Path, random: Random) -> None:
        named = path.with_suffix(other)
        save_file(tensors(random), named) if other == ".safetensors" else torch.save(tensors(random), named)
        named.rename(path)

    return write


class Code:
    """What runs code where a pickle is trusted."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo it ran",)


def containing_itself(content: Tensors, random: Random) -> Tensors:
    wrapper: Tensors = {"params": content}
    wrapper["params"] = wrapper
    return wrapper


def cut_dimension(content: Tensors, random: Random) -> None:
    """Take any tensor's first row, or flatten it."""
    key = random.choice([key for key in content if key != META])
    content[key] = random.choice([content[key][0].clone(), content[key].flatten(), content[key][:1].clone()])


def lose_some(content: Tensors, random: Random) -> None:
    for key in random.sample(sorted(content), random.choice([1, 3, 20])):
        del content[key]


def quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.zeros(16, 16, 3, 3), 0.1, 0, torch.qint8)


def key_of_tuples(levels: int) -> bytes:
    """Set a key whose hash takes 2**levels steps, from a programme of a few bytes a level."""
    return b"}(K\x01" + b"q\x00h\x00\x86" * levels + b"K\x01u."


def hex_of_hex(levels: int) -> bytes:
    """Double a text again and again."""
    return b"c_codecs\nencode\n" * levels + b"U\x04aaaa" + b"U\x03hex\x86R" * levels + b"."
