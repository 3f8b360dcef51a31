import wave

import numpy as np
import pytest
from PIL import Image

from tests.quality.conftest import draw_picture
from vsfdat.errors import TrainingError
from vsfdat.quality.clips import LENGTH, SIZE, clip_folders, read_clips, read_frames


def test_a_picture_becomes_a_pan_that_invents_no_pixel(tmp_path):
    picture = draw_picture(2, 200)
    Image.fromarray(picture).save(tmp_path / "still.png")
    ((name, frames),) = [(clip.name, clip.frames) for clip in read_clips(tmp_path, multiple=4)]
    assert name == "still.png"
    assert [frame.shape for frame in frames] == [(188, 164, 3)] * LENGTH  # 200 less 11 and 33, to a multiple of 4
    assert (frames[0] == picture[:188, :164]).all()
    assert (frames[-1] == picture[11:199, 33:197]).all()


def test_large_pictures_are_cropped(tmp_path):
    Image.fromarray(np.zeros((900, 1000, 3), np.uint8)).save(tmp_path / "large.png")
    (clip,) = read_clips(tmp_path, multiple=4)
    assert clip.frames[0].shape == (*SIZE, 3)


def test_folders_of_clips(tmp_path):
    for name in ("drawn", "filmed", "empty"):
        (tmp_path / name).mkdir()
    Image.fromarray(draw_picture(0)).save(tmp_path / "drawn" / "a.png")
    (tmp_path / "filmed" / "b.mkv").touch()
    assert [folder.name for folder in clip_folders(tmp_path)] == ["drawn", "filmed"]
    assert clip_folders(tmp_path / "filmed" / "b.mkv") == [tmp_path / "filmed" / "b.mkv"]
    with pytest.raises(TrainingError, match=r"no videos or pictures in .* or in the folders in it"):
        clip_folders(tmp_path / "empty")


def test_frames_are_read_from_the_middle(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "grey.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "bgr0"
        for value in (10, 60, 110, 160):
            picture = np.full((16, 32, 3), value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    read = read_frames(tmp_path / "grey.mkv", count=2, skip=1, crop=(8, 16))
    assert [(frame.shape, frame.mean()) for frame in read] == [((8, 16, 3), 60), ((8, 16, 3), 110)]
    with pytest.raises(TrainingError, match=r"grey\.mkv has no two frames after the first 3"):
        read_frames(tmp_path / "grey.mkv", count=2, skip=3)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.mkv", None, "No such file or directory"),
        ("junk.mkv", b"junk", "Invalid data found when processing input"),
    ],
)
def test_no_video(tmp_path, name, content, reason):
    pytest.importorskip("av")
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError) as caught:
        read_frames(tmp_path / name, count=2)
    assert str(caught.value) == f"{tmp_path / name} cannot be read as a video: {reason}"


def test_a_file_of_sound_alone(tmp_path):
    with wave.open(str(tmp_path / "sound.avi"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(TrainingError) as caught:
        read_frames(tmp_path / "sound.avi", count=2)
    assert str(caught.value) == f"{tmp_path / 'sound.avi'} holds no video"
