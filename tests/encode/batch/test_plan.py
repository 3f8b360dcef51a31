import os
from pathlib import Path

import pytest

from vsfdat.encode.batch.plan import USUAL_NAME, Item, find_items, plan_batch
from vsfdat.errors import EncodeError


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def outputs(items: list[Item]) -> list[str]:
    return [item.output.name for item in items]


def test_files_keep_their_order_and_get_the_name_asked_for(tmp_path: Path) -> None:
    inputs = touch(tmp_path, "b.mp4", "a.avi")
    assert plan_batch(inputs, tmp_path / "out", "{stem}_2x.mkv") == [
        Item(inputs[0], tmp_path / "out/b_2x.mkv"),
        Item(inputs[1], tmp_path / "out/a_2x.mkv"),
    ]


def test_a_folder_gives_its_videos_by_their_numbers(tmp_path: Path) -> None:
    touch(tmp_path, "e10.mkv", "e2.mkv", "E1.MKV", "notes.txt", ".hidden.mkv", "below/x.mkv")
    assert outputs(plan_batch([tmp_path], tmp_path / "out")) == ["E1.mkv", "e2.mkv", "e10.mkv"]


def test_folders_below_are_repeated_in_the_output(tmp_path: Path) -> None:
    touch(tmp_path, "in/s1/e1.mkv", "in/s2/e1.mkv", "in/.job/000.mkv")
    items = plan_batch([tmp_path / "in"], tmp_path / "out", recursive=True)
    assert [item.output for item in items] == [tmp_path / "out/s1/e1.mkv", tmp_path / "out/s2/e1.mkv"]


def test_what_an_earlier_run_made_is_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "e1.mp4", "out/e1.mkv")
    assert outputs(plan_batch([tmp_path], tmp_path / "out", recursive=True)) == ["e1.mkv"]


def test_a_pattern_that_no_shell_has_expanded_is_expanded(tmp_path: Path) -> None:
    touch(tmp_path, "e2.mkv", "e1.mkv", "x.mp4")
    assert outputs(plan_batch([tmp_path / "e*.mkv"], tmp_path / "out")) == ["e1.mkv", "e2.mkv"]


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    (path,) = touch(tmp_path, "[Group] show [01].mkv")
    assert plan_batch([path], tmp_path / "out")[0].input == path


@pytest.mark.parametrize(
    ("inputs", "options", "sentence"),
    [
        (["missing.mkv"], {}, "input not found: missing.mkv"),
        (["empty"], {}, "empty: holds no video file; pass --recursive to search the folders in it"),
        (["empty"], {"recursive": True}, "empty: holds no video file"),
        (["a.mkv", "a.avi"], {}, "a.mkv and a.avi would both become out/a.mkv; upscale them one by one, "
         "or into folders of their own"),
        (["a.mkv"], {"name": "film.mkv"}, "--name must hold {stem}, the input's name without its ending, "
         "passed 'film.mkv'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_batch_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], options: dict[str, object], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(Path(), "a.mkv", "a.avi", "empty/notes.txt")
    with pytest.raises(EncodeError) as caught:
        plan_batch([Path(name) for name in inputs], Path("out"), **options)  # type: ignore[arg-type]
    assert str(caught.value) == sentence


def test_an_output_that_is_an_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(Path(), "a.mkv")
    with pytest.raises(EncodeError) as caught:
        plan_batch([Path("a.mkv")], Path())
    assert str(caught.value) == "output is the input: a.mkv; choose another folder, or --name as {stem}_2x.mkv"


@pytest.mark.skipif(os.name == "nt", reason="names differ in case there only on paper")
def test_names_that_differ_in_case_are_two(tmp_path: Path) -> None:
    inputs = touch(tmp_path, "A.mp4", "a.mp4")
    assert outputs(plan_batch(inputs, tmp_path / "out")) == ["A.mkv", "a.mkv"]


def test_a_film_and_a_file_are_one_film(tmp_path: Path) -> None:
    assert find_items(["in.mkv", "out.mp4"], USUAL_NAME, recursive=False) == (
        [Item(Path("in.mkv"), Path("out.mp4"))], None
    )  # fmt: skip


@pytest.mark.parametrize("ending", ["", "/"], ids=["a folder that is there", "a folder to be made"])
def test_a_folder_at_the_end_makes_a_batch(tmp_path: Path, ending: str) -> None:
    (path,) = touch(tmp_path, "in.mkv")
    folder = tmp_path / "out"
    if not ending:
        folder.mkdir()
    items, found = find_items([str(path), f"{folder}{ending}"], "{stem}_2x.mp4", recursive=False)
    assert (items, found) == ([Item(path, folder / "in_2x.mp4")], folder)


@pytest.mark.parametrize(
    ("paths", "name", "sentence"),
    [
        (["a.mkv"], USUAL_NAME,
         "name a video and the file to make of it, as in: vsfdat IN.mkv OUT.mkv; or videos and a folder"),
        (["a.mkv", "b.mkv", "c.mkv"], USUAL_NAME,
         "the last of the paths must be a folder for the outputs, as in c.mkv/, passed 'c.mkv'"),
        (["a.mkv", "out"], "{stem}_2x.mkv",
         "the last of the paths must be a folder for the outputs, as in out/, passed 'out'"),
    ],
)  # fmt: skip
def test_paths_that_name_nothing_are_told(tmp_path: Path, paths: list[str], name: str, sentence: str) -> None:
    with pytest.raises(EncodeError) as caught:
        find_items(paths, name, recursive=False)
    assert str(caught.value) == sentence
