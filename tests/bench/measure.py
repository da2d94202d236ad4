# SPDX-License-Identifier: MIT
"""Commands timed in turns, and figures beside their bounds."""

import statistics
import subprocess
import sys
import time


def timed(command, **options):
    begin = time.perf_counter()
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False, **options).returncode
    took = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"bench: status {status}: {' '.join(command)}")
    return took


def interleaved(rounds, options=None, **commands):
    """Median seconds of each of COMMANDS, pairs of the command and what follows it untimed; OPTIONS are those of
    subprocess.run()."""
    samples = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, afterwards) in commands.items():
            samples[name].append(timed(command, **(options or {})))
            afterwards()
            time.sleep(0.05)
    return {name: statistics.median(values) for name, values in samples.items()}


def report(what, value, bound=None, unit="x", least=None):
    verdict = ""
    if bound is not None:
        verdict = f"   at most {bound}{unit}  {'ok' if value <= bound else 'OVER'}"
    if least is not None:
        verdict = f"   at least {least}{unit}  {'ok' if value >= least else 'UNDER'}"
    print(f"  {what:64}{value:9.2f} {unit}{verdict}", flush=True)
