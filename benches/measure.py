"""Measures a built `lightsout` against the numbers that it has to hold, and prints them as a table.

CPU is user plus system time of the client process alone, memory its peak (`wait4`); the simulator runs in
a process of its own and is not counted. Each figure is the median of several runs, memory the highest of
them. Standard library only.

This process must stay small: Linux counts what the parent held at the start of a child as the child's.
"""

import itertools
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

MANY = 1_000_000
FLEET = 100_000
SCHEDULED = 40  # batches of the schedule's row
HEAD = """\
version: 1
name: bench
project: 0123456789abcdef0123456789abcdef
endpoint: {endpoint}
stop_type: HARD
guards: {{ max_servers: 10000000 }}
"""
# "No quota" has to hold on both sides: this is the most that a workflow may ask for.
NO_QUOTA = "rate: { stop: 100000, job: 100000, list: 100000, show: 100000 }\n"
SLOW = {
    "calls": {
        kind: [{"fault": "slow", "delay": "200ms", "rate": 1.0}]
        for kind in ("stop", "job", "list", "show")
    }
}


class Figures:
    """What one process cost."""

    def __init__(self, cpu, peak, wall):
        self.cpu, self.peak, self.wall = cpu, peak, wall

    @staticmethod
    def median(runs):
        def middle(of):
            return statistics.median(of(run) for run in runs)

        return Figures(middle(lambda r: r.cpu), max(r.peak for r in runs), middle(lambda r: r.wall))


def measure(command, environment=None, output="/dev/null"):
    """Runs a command to its end, its streams into files, and tells what it alone cost."""
    errors = tempfile.TemporaryFile()
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    streams = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, errors.fileno(), 2)]
    began = time.monotonic()
    child = os.posix_spawnp(command[0], command, environment or os.environ, file_actions=streams)
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - began
    os.close(out)
    if os.waitstatus_to_exitcode(status) != 0:
        errors.seek(0)
        sys.exit(f"{command} ended with {status}:\n{errors.read()[-3000:].decode()}")
    return Figures(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, wall)


class Bench:
    """The program, a folder for inputs, and the rows made so far."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.runs = 0

    def write(self, name, parts):
        path = self.folder / name
        with open(path, "w", encoding="ascii") as file:
            file.writelines(parts)
        return path

    @contextmanager
    def simulator(self, servers, *flags):
        """A simulator of these servers in a process of its own; gives its endpoint and an environment."""
        command = [self.program, "simulate", "--ids", str(self.folder / servers), "--no-quotas", *flags]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                told = json.loads(process.stdout.readline())
                keys = {
                    "HUAWEICLOUD_SDK_AK": told["access_key"],
                    "HUAWEICLOUD_SDK_SK": told["secret_key"],
                }
                yield told["endpoint"], {"PATH": os.environ["PATH"], "HOME": str(self.folder), **keys}
            finally:
                process.terminate()

    def run(self, settings, *flags, inventory="fleet.txt", servers="fleet.txt", after=None, state=None):
        """What one `run` of the inventory costs the client, and then what `after` does in its place."""
        with self.simulator(servers, *flags) as (endpoint, environment):
            self.runs += 1
            group = f"groups: [{{ name: fleet, servers_from: {inventory} }}]\n"
            text = [HEAD.format(endpoint=endpoint), NO_QUOTA, settings, group]
            workflow = self.write("run.yaml", text)
            report = self.folder / f"report-{self.runs}.json"
            command = [self.program, "run", str(workflow), "--yes", "--report", str(report)]
            command += ["--state-dir", str(state or self.folder / "state")]
            figures = measure(command, environment)
            if after:
                figures = (figures, after(environment))
        with open(report, encoding="utf-8") as file:
            start = file.read(8192)
        counts = {word: re.search(rf'"{word}": (\d+)', start)[1] for word in ("targets", "stopped")}
        if counts["stopped"] != counts["targets"]:
            sys.exit(f"not all were stopped: {counts}")
        report.unlink()
        return figures


def identifiers(count, seed):
    """The same random UUIDs for the same seed, one by one."""
    numbers = random.Random(seed)
    for _ in range(count):
        yield str(uuid.UUID(int=numbers.getrandbits(128), version=4))


def start(bench):
    """Both starts, in turn with `true`, so that all meet the same moods of the machine."""
    text = (bench.folder / "twenty.yaml").read_text(encoding="ascii")
    assert text.count("\n") == 20
    nothing = ["true"]
    commands = {
        "`--version`": [bench.program, "--version"],
        "`validate` of a 20-line file": [bench.program, "validate", str(bench.folder / "twenty.yaml")],
    }
    times = {name: [] for name in commands}
    for _ in range(101):
        base = measure(nothing).wall
        for name, command in commands.items():
            times[name].append(measure(command).wall - base)
    for name, differences in times.items():
        extra = statistics.median(differences) * 1000
        yield name, "5 ms more than `true`", f"{extra:.1f} ms more"


def plans(bench):
    """Both plans of a million servers."""
    rows = [
        ("`plan` of 1,000,000 IDs in a `.txt` inventory, JSON out", "listed.yaml", "0.3 s CPU, 150 MiB"),
        ("`plan` of 1,000,000 IDs inline in YAML, JSON out", "inline.yaml", "1.5 s CPU, 400 MiB"),
    ]
    for name, file, bound in rows:
        command = [bench.program, "plan", str(bench.folder / file), "--format", "json"]
        output = str(bench.folder / "plan.json")
        yield name, bound, cost([measure(command, output=output) for _ in range(5)])


def runs(bench):
    """Both runs of the fleet."""
    rows = [
        ("`run` of 100,000 servers in 100 batches, checks off", "false", "0.3 s CPU, 64 MiB"),
        ("the same with checks before and after", "true", "0.8 s CPU, 100 MiB"),
    ]
    for name, checks, bound in rows:
        settings = f"checks: {{ before: {checks}, after: {checks} }}\n"
        settings += "rollout: { batch_size: 1000, in_flight: 50 }\n"
        yield name, bound, cost([bench.run(settings, "--job-duration", "0s") for _ in range(5)])


def million(bench):
    """A run of a million servers, and taking up again what its journal tells."""
    settings = "checks: { before: false, after: false }\nrollout: { batch_size: 1000, in_flight: 50 }\n"
    state = bench.folder / "million"

    def settle(environment):
        run = next((state / "runs").iterdir()).name
        return measure([bench.program, "settle", run, "--state-dir", str(state)], environment)

    ran, settled = bench.run(
        settings,
        "--job-duration",
        "0s",
        inventory="many.txt",
        servers="many.txt",
        after=settle,
        state=state,
    )
    yield "`run` of 1,000,000 servers in 1,000 batches, checks off", "400 MiB", cost([ran])
    yield "`settle` of that run: plan and journal read, report written", "1 s CPU for the reading", cost([settled])


def schedule(bench):
    """How close to its schedule a run stays by the wall's clock.

    Ideal, for each batch: 0.2 s for the stop, 2 s until the first poll, which finds the job ended, and
    0.2 s for that poll's answer; four batches at a time and nothing else.
    """
    faults = bench.write("slow.json", [json.dumps(SLOW)])
    bench.write("scheduled.txt", (f"{server}\n" for server in identifiers(SCHEDULED * 10, 2)))
    settings = "checks: { before: false, after: false }\nrollout: { batch_size: 10, in_flight: 4 }\n"
    flags = ["--job-duration", "2s", "--faults", str(faults)]
    ideal = SCHEDULED / 4 * (0.2 + 2.0 + 0.2)
    wall = statistics.median(
        bench.run(settings, *flags, inventory="scheduled.txt").wall for _ in range(3)
    )
    name = f"`run` of {SCHEDULED} batches, 200 ms requests, 2 s jobs, `in_flight: 4`"
    yield name, "within 5 % of the ideal", f"{wall:.2f} s, {(wall / ideal - 1) * 100:+.1f} % of {ideal:.1f} s"


def cost(measured):
    figures = Figures.median(measured)
    return f"{figures.cpu:.2f} s CPU, {figures.peak:.0f} MiB"


def inputs(bench):
    """Writes every input; the fleet begins with the servers of the schedule's row."""
    nowhere = HEAD.format(endpoint="https://bms.ap-southeast-1.myhuaweicloud.com")
    bench.write("many.txt", (f"{server}\n" for server in identifiers(MANY, 1)))
    bench.write("fleet.txt", (f"{server}\n" for server in identifiers(FLEET, 2)))
    bench.write("listed.yaml", [nowhere, "groups: [{ name: many, servers_from: many.txt }]\n"])
    head = [nowhere, "groups:\n  - name: many\n    servers:\n"]
    listing = (f"      - {server}\n" for server in identifiers(MANY, 1))
    bench.write("inline.yaml", itertools.chain(head, listing))
    few = [f"      - {server}\n" for server in identifiers(11, 3)]
    bench.write("twenty.yaml", [nowhere, "groups:\n", "  - name: few\n", "    servers:\n", *few])


def machine():
    model = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{os.cpu_count()} cores of {model}, {system}, Linux {platform.release().split('-')[0]}"


def main():
    program, wanted = str(Path(sys.argv[1]).resolve()), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(program, Path(folder))
        inputs(bench)
        print(f"Machine: {machine()}.\n\n| work | bound | measured |\n| --- | --- | --- |", flush=True)
        for part in (start, plans, runs, million, schedule):
            if wanted and part.__name__ not in wanted:
                continue
            for row in part(bench):
                print("| " + " | ".join(row) + " |", flush=True)


main()
