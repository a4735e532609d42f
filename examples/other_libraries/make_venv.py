"""Makes an environment of its own for a library that wants others than this package is tested with.

    python examples/other_libraries/make_venv.py torchrl
    .venvs/torchrl/bin/python examples/other_libraries/torchrl_ppo.py

What follows the library's name goes to pip. PyPI's torch for Linux brings CUDA along; the one
without is on ``--extra-index-url https://download.pytorch.org/whl/cpu``.

The environments lie in ``.venvs``, or where LLMREC_VENVS says. This package is installed into them
as it stands, editable.
"""

import argparse
import os
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENVS = Path(os.environ.get("LLMREC_VENVS", ROOT / ".venvs")).absolute()
LIBRARIES = sorted(path.stem for path in HERE.glob("*.txt"))


def python_of(library):
    """The interpreter of a library's environment."""
    return VENVS / library / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def example_of(library):
    """The example of a library."""
    return next(HERE.glob(f"{library}_*.py"))


def main(library, pip_options):
    """Make the environment, and install the pinned library and this package."""
    venv.create(VENVS / library, with_pip=True)
    packages = ["-r", str(HERE / f"{library}.txt"), "-e", str(ROOT)]
    subprocess.run(
        [str(python_of(library)), "-m", "pip", "install", "-q", *packages, *pip_options], check=True
    )
    print(f"{python_of(library)} {example_of(library).relative_to(ROOT)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("library", choices=LIBRARIES, help="what the environment is made for")
    arguments, options = parser.parse_known_args()
    main(arguments.library, options)
