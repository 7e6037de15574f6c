"""Without the extra, everything else works, and the commands say what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

EXTRA = ("fastapi", "onnx", "onnxruntime", "onnxscript", "uvicorn")
ROOT = Path(__file__).parents[3]


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run some code in a process of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.parametrize("module", ["sfsc.cli", "sfsc.training.run", "sfsc.retrieval.evaluate"])
def test_the_training_imports_none_of_it(module: str):
    """Nor does the command line before a command of it runs."""
    code = f"import sys, {module}; print(sorted({set(EXTRA)} & set(sys.modules)))"
    done = run(code)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("command", ["export", "search"])
def test_a_missing_package_is_one_sentence(command: str, training: Path, tmp_path: Path):
    """With the command that installs it."""
    arguments = {
        "export": ["export", str(training), "--output", str(tmp_path / "out")],
        "search": ["search", str(tmp_path), "query.jpg", "--model", "model.onnx"],
    }[command]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({EXTRA}));"
        f"from sfsc.cli import main; sys.exit(main({arguments}))"
    )
    done = run(code)
    name = {"export": "onnxscript", "search": "onnxruntime"}[command]
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ConfigError: This command needs the packages of the extra `deploy`. Found no "
        f"`{name}`. In the project's folder, run `pip install --requirement requirements.lock`."
    )
