"""What the README tells a newcomer is what CI runs and what the command has."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

from vsfdat import cli, list_models
from vsfdat.options import Settings, UpscaleOptions

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_two_commands_word_for_word() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert [line for line in (ROOT / ".ci/run").read_text().splitlines() if line in commands] == commands


def test_every_argument_is_in_the_table() -> None:
    parameters = inspect.signature(cli.upscale).parameters.values()
    names = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY} - {"settings"}
    names |= {each.name for record in (Settings, UpscaleOptions) for each in fields(record)} - {"upscale"}
    assert set(re.findall(r"`(--[a-z-]+)`", README)) == {f"--{name.replace('_', '-')}" for name in names}


def test_every_model_is_in_the_table() -> None:
    for info in list_models():
        assert f"| `{info.name}` | {info.scale}x |" in README


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "sample_scripts/README.md", *ROOT.glob("vsfdat/*/README.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), target
