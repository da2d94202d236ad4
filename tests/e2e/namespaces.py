# SPDX-License-Identifier: MIT
"""Namespaces from Python: the few system calls that the standard library of 3.11 lacks."""

import contextlib
import ctypes
import os
import pickle
import signal
import traceback

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1

FLAG = {"mnt": CLONE_NEWNS, "net": CLONE_NEWNET, "uts": CLONE_NEWUTS, "ipc": CLONE_NEWIPC,
        "cgroup": CLONE_NEWCGROUP, "pid": CLONE_NEWPID}


def check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def unshare(flags):
    check(libc.unshare(flags), "unshare")


def setns(fd, kind):
    check(libc.setns(fd, FLAG[kind]), f"setns {kind}")


def mount(source, target, fstype=None, flags=0, data=None):
    encode = lambda text: text.encode() if text is not None else None
    check(libc.mount(encode(source), encode(target), encode(fstype), ctypes.c_ulong(flags), encode(data)),
          f"mount {source} on {target}")


def die_with_parent():
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def open_namespaces(pid, kinds):
    return {kind: os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds}


@contextlib.contextmanager
def children_in(pid_namespace):
    """Children forked in this block are members of PID_NAMESPACE, and still our own children: their pid is
    one that we can signal and wait for, with nothing in between as nsenter(1) would be."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    setns(pid_namespace, "pid")
    try:
        yield
    finally:
        setns(own, "pid")
        os.close(own)


def call(function, *arguments, enter=(), timeout=30):
    """FUNCTION(*ARGUMENTS) in a forked child that has first entered the namespaces ENTER, pairs
    of (kind, descriptor). What it returns comes back pickled, what it raises is raised here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            signal.alarm(timeout)
            die_with_parent()
            for kind, fd in enter:
                setns(fd, kind)
            answer = ("ok", function(*arguments))
        except BaseException as error:  # everything goes to the parent, which raises it again
            answer = ("raised", error, traceback.format_exc())
        with os.fdopen(writer, "wb") as pipe:
            try:
                pickle.dump(answer, pipe)
            except Exception:
                pickle.dump(("raised", RuntimeError(repr(answer)), ""), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        raise TimeoutError(f"{function.__name__} was ended by signal {os.WTERMSIG(status)}")
    answer = pickle.loads(data)
    if answer[0] == "ok":
        return answer[1]
    answer[1].add_note(answer[2])
    raise answer[1]
