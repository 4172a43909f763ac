"""`python ...` as a fork of the test process: its imports are there, which saves two seconds each.

Everything else is as the system does it: a process with a session, an environment, a folder,
files, signals and an exit status of its own. It holds for what such a process starts or becomes,
too. For each place where processes are started, one test starts real ones.
"""

from __future__ import annotations

import gc
import inspect
import io
import os
import runpy
import shlex
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NoReturn

LONGEST_SLEEP = 0.1  # of those who look again and again: nothing waits for the sake of waiting


def words_of_python(command: Any) -> list[str]:
    """Return the words after `python` of a command or a shell line; none for another program."""
    words = (
        shlex.split(command) if isinstance(command, str) else [os.fspath(word) for word in command]
    )
    if words[:2] == ["bash", "-c"]:
        words = shlex.split(words[2])
    words = words[1:] if words[:1] == ["exec"] else words
    if words[1:3] == ["-S", "-m"]:
        words.remove("-S")
    is_bare = words[1:2] == ["-S"]  # imports nothing: a real one starts at once
    return words[1:] if words[0] in ("python", sys.executable) and not is_bare else []


# The names of what Popen hands to the system, in their order: they differ between Python versions.
STARTING = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]


class ForkedPython(subprocess.Popen):  # type: ignore[type-arg]
    """Popen, for which a Python program is a fork of this process."""

    def _execute_child(self, *values: Any) -> None:
        words = words_of_python(values[0])
        if not words:
            return super()._execute_child(*values)
        given = SimpleNamespace(**dict(zip(STARTING, values, strict=True)))
        self.pid = os.fork()
        if not self.pid:
            become_child(words, given)
        self._child_created = True
        self._close_pipe_fds(
            given.p2cread,
            given.p2cwrite,
            given.c2pread,
            given.c2pwrite,
            given.errread,
            given.errwrite,
        )
        return None


def become_child(words: list[str], given: SimpleNamespace) -> NoReturn:
    """Become the program in the child's session, folder and environment, with its files."""
    try:
        if given.start_new_session:
            os.setsid()
        connect(given.p2cread, given.c2pwrite, given.errwrite)
        if given.cwd is not None:
            os.chdir(given.cwd)
        if given.env is not None:
            os.environ.clear()
            os.environ.update(given.env)
        if given.preexec_fn:
            given.preexec_fn()
        become_python(words, given.pass_fds)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(70)


def connect(*ends: int) -> None:
    """Give this process its input, output and errors; -1 leaves what is there."""
    copies = [
        os.dup(end) if end != -1 else -1 for end in ends
    ]  # one of them may have the number of another
    for number, copy in enumerate(copies):
        if copy != -1:
            os.dup2(copy, number)


def become_python(words: list[str], kept: Iterable[int] = ()) -> NoReturn:
    """Do what a fresh Python does with these words, with the open files that are kept."""
    gc.freeze()  # objects of the test process are not this one's to collect
    null = os.open(os.devnull, os.O_RDWR)
    for number in (int(name) for name in os.listdir("/proc/self/fd")):
        if number > 2 and number not in (
            null,
            *kept,
        ):  # not closed: an object that is gone late would close another's
            os.dup2(null, number, inheritable=False)
    for signum in (signal.SIGTERM, signal.SIGALRM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.FileIO(number, "w" if number else "r", closefd=False), line_buffering=number == 2
        )
        for number in range(3)
    )
    os.execv = lambda _, words: become_python(list(words[1:]), inherited())
    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, LONGEST_SLEEP))
    warnings.filterwarnings("ignore", message=".*found in sys.modules.*", category=RuntimeWarning)
    status = 1
    try:
        run(words)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody listens any more
                stream.flush()
        os._exit(status)


def inherited() -> list[int]:
    """The open files that a program which this process becomes would have."""
    numbers = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the one by which they were listed is gone
            if os.get_inheritable(int(name)):
                numbers.append(int(name))
    return numbers


def run(words: list[str]) -> None:
    """`python WORDS`: a module by -m, or code by -c."""
    while words[0] in ("-u", "-X"):
        words = words[2:] if words[0] == "-X" else words[1:]
    kind, what, *arguments = words
    sys.argv = [kind, *arguments]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert kind == "-c", f"no test starts python {kind}"
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
