"""The process of a network answers requests, whatever the code in it does; its errors are one line with the network's name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchmark
from benchmark.core.errors import InputError
from benchmark.core.processes import NetworkProcess, ProcessEndedError

WORKER = """
import os, signal, sys, time
from benchmark.core.errors import InputError
from benchmark.core.processes import answer_requests

def handle(message):
    match message["request"]:
        case "print":
            print("printed")
            os.write(1, b"written")
        case "read":
            input()
        case "read bytes":
            return {"read": os.read(0, 9).decode()}
        case "change":
            os.chdir("/")
            os.environ["WORKER_WAS_HERE"] = sys.path[0] = "changed"
        case "refuse":
            raise InputError("net.py: refused")
        case "fail":
            raise KeyError("maps\\nand more")
        case "exit":
            sys.exit("no more")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fork":
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        case "fork and go on":
            os.fork()
        case "leave":
            print("last words", file=sys.stderr)
            os._exit(3)
    return {"echo": message["value"]}

answer_requests(handle)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[NetworkProcess]:
    (tmp_path / "a_worker.py").write_text(WORKER)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    with NetworkProcess("a_worker", "net.py:build", {**os.environ, "PYTHONPATH": paths}) as process:
        yield process


def test_output_and_input_of_a_users_code_do_not_mix_with_the_replies(process: NetworkProcess) -> None:
    assert process.ask("print", value=1) == {"echo": 1}
    with pytest.raises(InputError, match=r"^net\.py:build: EOFError: EOF when reading a line$"):
        process.ask("read", value=2)
    assert process.ask("read bytes") == {"read": ""}
    assert process.ask("", value=[3, "4"]) == {"echo": [3, "4"]}


def test_what_a_users_code_changes_stays_in_its_process(process: NetworkProcess) -> None:
    before = (os.getcwd(), dict(os.environ), list(sys.path))
    process.ask("change", value=0)
    assert (os.getcwd(), dict(os.environ), list(sys.path)) == before


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("refuse", r"^net\.py: refused$"),
        ("fail", r"^net\.py:build: KeyError: 'maps\\nand more'$"),
        ("exit", r"^net\.py:build: SystemExit: no more$"),
        ("no value", r"^net\.py:build: KeyError: 'value'$"),
    ],
)
def test_an_error_is_one_line_and_the_process_goes_on(process: NetworkProcess, request_: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        process.ask(request_)
    assert process.ask("", value=1) == {"echo": 1}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("die", r"^net\.py:build: its process was ended by SIGKILL, as happens when the system runs out of memory$"),
        ("leave", r"^net\.py:build: its process ended with status 3: last words$"),
    ],
)
def test_the_end_of_a_process_is_one_line(process: NetworkProcess, request_: str, message: str) -> None:
    with pytest.raises(ProcessEndedError, match=message):
        process.ask(request_)


@pytest.mark.parametrize("request_", ["fork", "fork and go on"])
def test_a_process_that_a_network_starts_neither_answers_nor_is_waited_for(process: NetworkProcess, request_: str) -> None:
    begin = time.monotonic()
    assert process.ask(request_, value=1) == {"echo": 1}
    assert process.ask("", value=2) == {"echo": 2}
    with pytest.raises(ProcessEndedError):
        process.ask("leave")
    with process:
        pass
    assert time.monotonic() - begin < 30


def test_a_process_may_be_ended_twice(process: NetworkProcess) -> None:
    with process:
        assert process.ask("", value=1) == {"echo": 1}
    assert process.process.poll() is not None  # and once more by the fixture


def test_a_module_that_cannot_be_run_is_one_line() -> None:
    with (
        NetworkProcess("surely_not_installed", "net.py:build") as process,
        pytest.raises(ProcessEndedError, match=r"net\.py:build: its process ended with status 1: .*No module named surely"),
    ):
        process.ask("count")


# --- the end of the parent ---------------------------------------------------------------------------------------------------

PARENTS = {
    "a pool": """
import os, sys, time
from benchmark.core.errors import run_command
from benchmark.core.processes import process_pool

def work(seconds):
    with open(f"{sys.argv[1]}/{os.getpid()}", "w"):
        time.sleep(seconds)

def main():
    with process_pool(2) as pool:
        list(pool.map(work, [600.0, 600.0]))

if __name__ == "__main__":
    run_command(main)
""",
    "a network": """
import os, sys, time
from benchmark.core.errors import run_command
from benchmark.core.processes import NetworkProcess, answer_requests

def handle(message):
    with open(f"{message['folder']}/{os.getpid()}", "w"):
        time.sleep(600)

def main():
    with NetworkProcess("parent", "net.py:build") as process:
        process.ask("work", folder=sys.argv[1])

if __name__ == "__main__":
    run_command(main) if sys.argv[1:] else answer_requests(handle)
""",
}


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", PARENTS)
def test_workers_end_with_their_parent_whatever_ends_it(tmp_path: Path, kind: str, sign: signal.Signals) -> None:
    (tmp_path / "parent.py").write_text(PARENTS[kind])
    (workers := tmp_path / "workers").mkdir()
    count = 2 if kind == "a pool" else 1
    command = [sys.executable, str(tmp_path / "parent.py"), str(workers)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    parent = subprocess.Popen(
        command,
        env=variables,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(list(workers.iterdir())) < count:
        assert parent.poll() is None
        time.sleep(0.01)
    parent.send_signal(sign)
    _, errors = parent.communicate(timeout=30)
    if sign == signal.SIGKILL:  # Python's tracker of semaphores may speak
        assert parent.returncode == -signal.SIGKILL
    else:
        line = f"stopped by {sign.name}: what was finished is kept; the same command resumes\n"
        assert (parent.returncode, errors) == (128 + sign, line)
    end = time.monotonic() + 10
    while running := [path.name for path in workers.iterdir() if is_running(int(path.name))]:
        assert time.monotonic() < end, running
        time.sleep(0.01)


def test_no_other_module_starts_processes_that_could_outlast_it() -> None:
    starts = re.compile(r"Popen|ProcessPool|multiprocessing|os\.fork|DataLoader|num_workers")
    modules = [path for path in Path(benchmark.__path__[0]).rglob("*.py") if starts.search(path.read_text(encoding="utf-8"))]
    assert [path.name for path in modules] == ["processes.py"]
