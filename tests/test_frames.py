from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import vapoursynth as vs

from tests.stand_ins import picture_clip
from vsfdat.frames import Staging, planes

CPU = torch.device("cpu")


@pytest.mark.parametrize("form", [vs.RGBS, vs.RGBH, vs.GRAYS, vs.GRAYH])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (37, 5), (64, 3)])
def test_there_and_back_keeps_every_pixel(form: vs.PresetVideoFormat, width: int, height: int) -> None:
    numbers = np.random.default_rng(0).random((3, height, width), np.float32).astype(np.float16)
    source = picture_clip(numbers, form).get_frame(0)
    count = source.format.num_planes
    target = vs.core.create_video_frame(source.format, width, height)

    staging = Staging(CPU)
    picture = staging.upload(planes(source))
    assert picture.shape == (count, height, width)
    assert picture.dtype == torch.float32
    staging.download(picture, planes(target)[0].dtype).into(planes(target))
    for plane in range(count):
        np.testing.assert_array_equal(np.asarray(target[plane]), numbers[plane])


def test_rows_are_further_apart_than_they_are_wide() -> None:
    frame = vs.core.std.BlankClip(format=vs.RGBS, width=37, height=4, length=1).get_frame(0)
    assert planes(frame)[0].strides[0] > 37 * 4  # or the tests above would say nothing about strides


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_values_are_clamped_both_ways(dtype: type) -> None:
    source = [np.array([[-0.5, 0.25, 1.5, np.inf]], dtype)]
    staging = Staging(CPU)
    assert staging.upload(source).tolist() == [[[0, 0.25, 1, 1]]]
    target = [np.zeros((1, 3), dtype)]
    staging.download(torch.tensor([[[-7.0, 0.5, 1e9]]]), target[0].dtype).into(target)
    assert target[0].tolist() == [[0, 0.5, 1]]


@pytest.mark.parametrize(
    ("dtype", "levels", "samples", "expected"),
    [
        (np.uint8, (0, 255), [0, 51, 255], [0, 0.2, 1]),
        (np.uint8, (16, 235), [0, 16, 235, 255], [0, 0, 1, 1]),
        (np.uint16, (0, 1023), [0, 1023], [0, 1]),
        (np.uint16, (0, 65535), [0, 13107, 65535], [0, 0.2, 1]),
    ],
)
def test_integers_are_rescaled_where_they_arrive(dtype: type, levels: tuple, samples: list, expected: list) -> None:
    staging = Staging(CPU)
    for _ in range(2):  # the second frame finds the first one's buffer
        picture = staging.upload([np.array([samples], dtype)], levels)
        assert picture.dtype == torch.float32
        np.testing.assert_allclose(picture[0, 0], expected, atol=1e-7)
    assert staging._upload.numpy().dtype == dtype  # so many bytes go to the device, and no more


def test_nan_is_not_hidden_by_the_clamp() -> None:
    assert Staging(CPU).upload([np.array([[np.nan]], np.float32)]).isnan().all()


def test_the_source_frame_is_never_written_to() -> None:
    source = [np.array([[2.0]], np.float32)]
    Staging(CPU).upload(source)
    assert source[0][0, 0] == 2


def test_host_memory_is_kept_from_frame_to_frame() -> None:
    staging = Staging(CPU)
    first, second = (staging.upload([np.full((4, 6), value, np.float32)] * 3) for value in (0.1, 0.2))
    assert first.data_ptr() == second.data_ptr()


def test_a_download_is_read_when_it_is_there_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of the way through page-locked memory, in order, on a device that is not there."""
    steps, hosts, empty = [], [], torch.empty

    class Event:
        def __init__(self, blocking: bool) -> None:
            assert blocking  # a spinning wait would take a core from the decoder

        def record(self) -> None:
            steps.append("record")

        def synchronize(self) -> None:
            steps.append("wait")
            for host in hosts:
                host.fill_(0.5)  # only now does the copy arrive

    def pinned_empty(*arguments: object, pin_memory: bool = False, **others: object) -> torch.Tensor:
        steps.append("pinned" if pin_memory else "pageable")
        hosts.append(empty(*arguments, **others))
        return hosts[-1]

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "empty", pinned_empty)
    staging = Staging(CPU)
    staging._asynchronous = True  # as on CUDA
    target = [np.zeros((2, 3), np.float32)]
    for _ in range(3):
        staging.download(torch.ones(1, 2, 3), target[0].dtype).into(target)
        assert (target[0] == 0.5).all()
    assert steps == ["pinned", "record", "wait", "pinned", "record", "wait", "record", "wait"]


def test_on_cuda_a_picture_is_clamped_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one would be beyond what was planned for."""
    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Event", lambda blocking: Mock())
    monkeypatch.setattr(torch, "empty", lambda *arguments, pin_memory, **others: empty(*arguments, **others))
    staging, picture, target = Staging(CPU), torch.tensor([[[-1.0, 2.0]]]), [np.zeros((1, 2), np.float32)]
    staging._asynchronous = True
    staging.download(picture, np.dtype(np.float32)).into(target)
    assert target[0].tolist() == picture[0].tolist() == [[0, 1]]


def test_a_third_picture_waits_until_one_of_two_has_been_copied_out(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Event", lambda blocking: Mock())
    monkeypatch.setattr(torch, "empty", lambda *arguments, pin_memory, **others: empty(*arguments, **others))
    staging, form = Staging(CPU), np.dtype(np.float32)
    staging._asynchronous = True
    first, second = (staging.download(torch.full((1, 2, 3), value), form) for value in (0.25, 0.5))
    with ThreadPoolExecutor(1) as slot:
        third = slot.submit(staging.download, torch.ones(1, 2, 3), form)
        with pytest.raises(TimeoutError):
            third.result(0.05)
        with pytest.raises(ValueError, match="longer"):
            first.into([])  # a failure gives the place back too
        third.result(20).into([np.zeros((2, 3), np.float32)])
    target = [np.zeros((2, 3), np.float32)]
    second.into(target)
    assert (target[0] == 0.5).all()


def test_a_download_that_fails_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    staging = Staging(CPU)
    staging._asynchronous = True

    def refuse(*arguments: object, **others: object) -> None:
        raise RuntimeError("no page-locked memory")

    monkeypatch.setattr(torch, "empty", refuse)
    for _ in range(3):  # the third would wait for ever
        with pytest.raises(RuntimeError, match="no page-locked memory"):
            staging.download(torch.ones(1, 2, 3), np.dtype(np.float32))


def test_integers_go_to_cuda_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    empty, sent, to = torch.empty, [], torch.Tensor.to
    monkeypatch.setattr(torch, "empty", lambda *arguments, pin_memory, **others: empty(*arguments, **others))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *a, **k: sent.append((self.dtype, k)) or to(self, *a, **k))
    staging = Staging(CPU)
    staging._asynchronous = True
    assert staging.upload([np.array([[0, 255]], np.uint8)], (0, 255)).tolist() == [[[0, 1]]]
    assert sent[0] == (torch.uint8, {"non_blocking": True})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_goes_through_page_locked_memory() -> None:
    cuda = torch.device("cuda:0")
    staging = Staging(cuda)
    numbers = np.random.default_rng(0).random((3, 31, 57), np.float32)
    with torch.cuda.stream(torch.cuda.Stream(cuda)):
        picture = staging.upload(list(numbers))
        target = np.zeros_like(numbers)
        landed = staging.download(picture, target.dtype)
    landed.into(list(target))
    assert picture.device == cuda
    assert staging._upload.is_pinned()
    assert landed._host.is_pinned()
    np.testing.assert_array_equal(target, numbers)
