"""Run work in other processes, none of which outlasts the command that started it.

A network has a process of its own, which answers requests: code of users shares nothing with us or with other networks.
Requests and replies are JSON objects, one per line.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn, Self

from benchmark.core.errors import InputError

Request = Mapping[str, Any]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# By default, glibc returns freed memory to the system: large blocks, and the end of its heap. Every call then waits for the
# kernel to map and clear the same pages again, which takes a good part of its time, and in each process another part.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def end_with_parent() -> None:
    """Let the system end this process when the one that started it ends, even by SIGKILL; only Linux can.

    It also ends when the thread does that started it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent and parent.pid != os.getppid():  # it ended before the call
        os._exit(1)


def _start_worker() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides when this one ends


@contextmanager
def process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that share nothing with this one; they end with it, and at once when it is stopped."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_start_worker) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


class ProcessEndedError(InputError):
    """The process of a network ended before it answered."""


class NetworkProcess:
    """The process of one network.

    Args:
        module: Module that the process runs; it calls :func:`answer_requests`.
        network: Name of the network, with which every error begins.
        variables: Environment variables of the process; by default our own.
    """

    def __init__(self, module: str, network: str, variables: Mapping[str, str] | None = None) -> None:
        self.network = network
        self.log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed by __exit__)
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=variables,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.log.closed:  # a process that was started early may be ended early, too
            return
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def ask(self, request: str, **arguments: object) -> dict[str, Any]:
        """Send a request to the process, and return its reply.

        Raises:
            InputError: the network cannot be found, built or run.
            ProcessEndedError: its process ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"request": request, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._raise_exit()
        return read_answer(json.loads(line), self.network)

    def _raise_exit(self) -> NoReturn:
        status = self.process.wait()
        if status < 0:
            hint = ", as happens when the system runs out of memory" if -status == signal.SIGKILL else ""
            raise ProcessEndedError(f"{self.network}: its process was ended by {signal.Signals(-status).name}{hint}")
        self.log.seek(0)
        last = next((line for line in reversed(self.log.read().splitlines()) if line.strip()), "without a message")
        raise ProcessEndedError(f"{self.network}: its process ended with status {status}: {last.strip()}")


def answer_requests(handle: Callable[[Request], dict[str, Any]]) -> None:
    """Answer requests until the input is closed; run by the process of a network.

    Args:
        handle: Carries out a request, and returns the reply. An :class:`InputError` is passed on as it is, and any other error
            in one line that begins with the network's name.
    """
    _start_worker()
    # A user's code reads nothing, and its output goes to stderr, so that it does not mix with requests and replies.
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def let_go() -> None:
        requests.close()
        replies.close()

    os.register_at_fork(after_in_child=let_go)  # or processes that a network starts would answer, and outlast this one
    for line in requests:
        print(json.dumps(answer_request(handle, json.loads(line))), file=replies, flush=True)


def answer_request(handle: Callable[[Request], dict[str, Any]], message: Request) -> dict[str, Any]:
    """Carry out a request, and return its reply or error as one JSON object."""
    try:
        return {"reply": handle(message)}
    except InputError as error:
        return {"input_error": str(error)}
    except (Exception, SystemExit) as problem:  # a user's network may raise anything
        return {"other_error": f"{type(problem).__name__}: {next(iter(str(problem).splitlines()), 'without a message')}"}


def read_answer(answer: Mapping[str, Any], network: str) -> dict[str, Any]:
    """Return the reply of an answer.

    Raises:
        InputError: the answer is an error; the name of the network begins one that is not of this class.
    """
    match answer:
        case {"reply": dict(reply)}:
            return reply
        case {"input_error": message}:
            raise InputError(message)
        case {"other_error": message}:
            raise InputError(f"{network}: {message}")
        case _:
            raise ValueError(f"not a reply: {answer}")
