"""What a wheel's installer makes of `[project.scripts]`: a program for each entry.

python console_scripts.py PYPROJECT FOLDER PYTHON MODULES
"""

import sys
import tomllib
from pathlib import Path

pyproject, folder, python, modules = sys.argv[1:]
Path(folder).mkdir(parents=True)
for name, entry in tomllib.loads(Path(pyproject).read_text())["project"].get("scripts", {}).items():
    module, _, function = entry.partition(":")
    program = Path(folder) / name
    call = f'import sys; sys.argv[0] = "{name}"; from {module} import {function}; sys.exit({function}())'
    program.write_text(f"#!/bin/bash\nexport PYTHONPATH={modules.rstrip(':')}\nexec {python} -c '{call}' \"$@\"\n")
    program.chmod(0o755)
