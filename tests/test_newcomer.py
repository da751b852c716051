"""What a newcomer meets first: the README's Learn command, the setup cell, and parameters from a command line."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest

from tests.execute import LESSONS, ROOT


def learn_commands():
    """Return how the README starts JupyterLab, on Windows and elsewhere: the arguments after `python -m`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"python -m (jupyterlab .+?\.ipynb)", readme)


def test_the_learn_command_is_the_same_on_windows():
    elsewhere, windows = learn_commands()
    assert windows == elsewhere.replace("/", "\\")


def test_the_learn_command_opens_lesson_1_and_reaches_every_other(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    folders = ["JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"]
    command = [sys.executable, "-m", *learn_commands()[0].split(), "--no-browser", "--allow-root"]
    command += ["--IdentityProvider.token=known", f"--port={address.split(':')[2]}"]
    server = subprocess.Popen(
        [*command, "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"],
        cwd=ROOT,
        env={**os.environ, **{folder: str(tmp_path) for folder in folders}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        listing = ask_when_ready(server, f"{address}/api/contents/word_level_lm?token=known")
        (page,) = tmp_path.glob("jpserver-file-to-run-*-open.html")  # what the browser would open
        opened = page.read_text(encoding="utf-8")
    finally:
        server.terminate()
        server.wait(30)
    assert {entry["name"] for entry in listing["content"]} >= {
        path.name for path in LESSONS if path.parent.name == "word_level_lm"
    }
    assert f"/lab/tree/{LESSONS[0].relative_to(ROOT).as_posix()}?" in opened


def ask_when_ready(server, url):
    """Return the JSON at a local address as soon as the server that is starting answers."""
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        assert server.poll() is None, f"JupyterLab ended at once with code {server.returncode}"
        try:
            with without_proxy.open(url, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise  # it answers, but not what we hope for
        except OSError:
            time.sleep(0.2)
    raise AssertionError("JupyterLab did not answer within a minute")


def setup_cell():
    (cell,) = [c for c in nbformat.read(LESSONS[0], 4).cells if "def project_root(" in c.source]
    return cell.source.replace("%matplotlib inline", "")


@pytest.mark.parametrize("folder", [ROOT, ROOT / "seq2seq", ROOT / "tests" / "reference"])
def test_the_setup_cell_finds_the_project_from_any_of_its_folders(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [])
    exec(setup_cell(), {})
    assert sys.path == [str(ROOT)]


def test_outside_the_setup_cell_says_what_is_missing_where_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")  # so no git either
    with pytest.raises(RuntimeError) as raised:
        exec(setup_cell(), {})
    for part in ("common/recurrent.py is neither in", str(tmp_path), "--cwd FOLDER"):
        assert part in str(raised.value)


def papermill(tmp_path, *arguments):
    """Run lesson 4 as a command, down to the check of its parameters; return process and last cell's outputs."""
    notebook = nbformat.read(ROOT / "word_level_lm" / "01_RNN_NumPy.ipynb", as_version=4)
    check = [i for i, cell in enumerate(notebook.cells) if "check_parameters(\n" in cell.source]
    notebook.cells[check[0] + 1 :] = [
        nbformat.v4.new_code_cell("print([steps, batch_size, optimizer, prompt])")
    ]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", str(tmp_path / "in.ipynb")]
    done = subprocess.run(
        [*command, str(tmp_path / "out.ipynb"), *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    return done, nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1].outputs


def test_papermill_hands_over_parameters_of_other_types(tmp_path):
    given = "-p steps 1e2 -p batch_size 8.0 -p optimizer adam -p prompt 42"
    done, outputs = papermill(tmp_path, *given.split())
    assert done.returncode == 0, done.stderr
    assert outputs[0].text == "[100, 8, 'Adam', '42']\n"


def test_papermill_ends_with_the_sentence_that_says_what_is_wrong(tmp_path):
    done, _ = papermill(tmp_path, "-p", "temperature", "0")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ValueError: temperature is 0; it must be a number above 0"
