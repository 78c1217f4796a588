"""Virtual environments of the savers under test, one for each set of requirements.

Two of the savers share one import name, and each pins its own dependencies: in one
environment they could not be compared. An environment is made once and reused while
its requirements stay the same.
"""

import subprocess
import sys
from pathlib import Path

from savers import Saver

ROOT = Path(__file__).resolve().parent.parent


def python_of(saver: Saver) -> Path:
    """The interpreter of the saver's environment, which is made when missing."""
    home = ROOT / ".venvs" / f"bench-{saver.environment}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = "\n".join((sys.version, *saver.requirements))
    if any(each.startswith("--editable=.") for each in saver.requirements):
        wanted += (ROOT / "pyproject.toml").read_text()
    # Written last: an environment whose installation was cut short has no stamp.
    stamp = home / "requirements.stamp"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"making {home.relative_to(ROOT)} (some minutes, once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, *saver.requirements], check=True, cwd=ROOT, stdout=sys.stderr)
    stamp.write_text(wanted)
    return python
