"""A sample script in a previewer on a screen of its own, reloaded again and again, by hand; needs Xvfb, openbox,
xdotool and ImageMagick.

python -m tests.bench.previewers OUT.png PREVIEWER [ARGUMENT...]

PREVIEWER is a command, as in vspreview or vsview; the script is its last argument. Prints how often the script ran,
and the process's memory after the first and the last reload; OUT.png is what the screen shows at the end.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "sample_scripts"
RELOADS = 20
SECONDS_TO_LOAD = 120


def main(picture: str, *previewer: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs, script = Path(folder) / "runs", Path(folder) / "05_preview.vpy"
        text = (SCRIPTS / "05_preview.vpy").read_text().replace("bigbuckbunny", f"{SCRIPTS}/bigbuckbunny")
        script.write_text(f"with open({str(runs)!r}, 'a') as file:\n    file.write('.')\n{text}")
        environment = os.environ | {"DISPLAY": ":77", "QT_QPA_PLATFORM": "xcb", "HOME": folder}
        screen = subprocess.Popen(["Xvfb", ":77", "-screen", "0", "1280x800x24"], stderr=subprocess.DEVNULL)
        time.sleep(2)
        manager = subprocess.Popen(
            ["openbox"], env=environment, stderr=subprocess.DEVNULL
        )  # gives windows the keyboard
        time.sleep(1)
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen([*previewer, str(script)], env=environment, stdout=log, stderr=log)
            try:
                watch(process, runs, environment)
            finally:
                subprocess.run(["import", "-window", "root", picture], env=environment, check=True)
                for each in (process, manager, screen):
                    each.kill()
                print((Path(folder) / "log").read_text()[-1500:])


def watch(process: subprocess.Popen[bytes], runs: Path, environment: dict[str, str]) -> None:
    """Wait for the script to run, have it reloaded, and tell what came of it."""
    wait_for(process, runs, 1)
    time.sleep(15)  # for the first frames
    for number in range(RELOADS):
        subprocess.run(
            ["xdotool", "mousemove", "640", "300", "click", "1", "key", "ctrl+r"], env=environment, check=True
        )
        wait_for(process, runs, number + 2)
        time.sleep(2)
        if number in (0, RELOADS - 1):
            print(f"after {number + 1} reloads: {memory(process)} MB, {len(runs.read_text())} runs", flush=True)


def wait_for(process: subprocess.Popen[bytes], runs: Path, count: int) -> None:
    """Wait until the script ran so often."""
    deadline = time.monotonic() + SECONDS_TO_LOAD
    while not runs.exists() or len(runs.read_text()) < count:
        assert process.poll() is None, f"the previewer ended with {process.returncode}"
        assert time.monotonic() < deadline, f"no run {count} of the script in {SECONDS_TO_LOAD} s"
        time.sleep(0.2)


def memory(process: subprocess.Popen[bytes]) -> int:
    """Give the megabytes that a process has."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 >> 20


if __name__ == "__main__":
    main(*sys.argv[1:])
