"""The commands of a machine that is a process of the test's: they answer what the folder $CONTROL says, and note their calls."""

from __future__ import annotations

import sys

# What lab-stage is there: the machine's own, over a copy of its stages with scripts that do nothing, fail or hang as told.
STAGE = r"""
import hashlib, os, pathlib, runpy, sys
root, control = (pathlib.Path(os.environ[name]) for name in ("LAB_STAGE_ROOT", "CONTROL"))
program, copy = root / "usr/local/bin/lab-stage", control / "copy"
if not program.exists():
    sys.exit("sudo: lab-stage: command not found")
wanted = {}
for script in (root / "usr/local/lib/iotlab/stages").glob("*.sh"):
    text, label = script.read_text(), script.stem
    told = [line for line in text.splitlines() if line.startswith(("# Remedy: ", "# Runs: "))]
    wanted[f"usr/local/lib/iotlab/stages/{label}.sh"] = "\n".join([
        "#!/bin/bash", *told, "# " + hashlib.sha256(text.encode()).hexdigest(),
        f"echo {label} begins; echo {label} >> {control}/runs",
        f"while [ -e {control}/hangs-{label} ]; do sleep 0.02; done",
        f"if [ -e {control}/fails-{label} ]; then cat {control}/fails-{label}; exit 1; fi", ""])
    env = root / f"etc/iotlab/stages/{label}.env"
    if env.exists():
        wanted[f"etc/iotlab/stages/{label}.env"] = env.read_text()
for folder in ("usr/local/lib/iotlab/stages", "etc/iotlab/stages"):
    (copy / folder).mkdir(parents=True, exist_ok=True)
    for file in (copy / folder).iterdir():
        if str(file.relative_to(copy)) not in wanted:
            file.unlink()
for name, text in wanted.items():
    if not (copy / name).exists() or (copy / name).read_text() != text:
        (copy / name).write_text(text)
os.environ["LAB_STAGE_ROOT"] = str(copy)
runpy.run_path(str(program), run_name="__main__")
"""
PROGRAMS = {
    "sudo": '[ "$1" = -n ] && shift\nexec "$@"\n',
    "python3": f'exec {sys.executable} -IS "$@"\n',  # half the time of a start: it needs no packages
    "lab-stage": f'exec {sys.executable} -IS "$CONTROL/stage.py" "$@"\n',
    "systemctl": 'echo "systemctl $*" >> "$CONTROL/calls"\n'
    'case "$*" in "start --no-block iotlab-stages.service") setsid lab-stage run > /dev/null 2>&1 < /dev/null & ;; esac\n',
    "lab": 'echo "lab $*" >> "$CONTROL/calls"\ncat "$CONTROL/$1.json"\n',
    "kubectl": 'cat "$CONTROL/kubeconfig"\n',
    "df": 'cat "$CONTROL/df"\n',
    "journalctl": 'cat "$CONTROL/journal"\n',
}
