import subprocess
import sys
from pathlib import Path

import pytest

import vsfdat


def test_the_public_names_are_these() -> None:
    assert vsfdat.__all__ == ["__version__", "list_models", "load_model", "upscale"]
    assert all(getattr(vsfdat, name) is not None for name in vsfdat.__all__)
    assert set(vsfdat.__all__) <= set(dir(vsfdat))


def test_no_module_bears_a_public_name() -> None:
    """Importing a submodule sets the package's attribute of its name: vsfdat.upscale would become a module."""
    assert not {path.stem for path in Path(vsfdat.__file__).parent.iterdir()} & set(vsfdat.__all__)


def test_public_functions_can_be_called() -> None:
    assert callable(vsfdat.upscale)
    assert callable(vsfdat.load_model)
    assert callable(vsfdat.list_models)
    assert vsfdat.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'vsfdat' has no attribute 'upscal'$"):
        vsfdat.upscal  # noqa: B018


def test_importing_is_free() -> None:
    """`import vsfdat` brings neither torch nor VapourSynth, and says nothing."""
    script = "import sys, vsfdat; print([name for name in ('torch', 'vapoursynth', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
