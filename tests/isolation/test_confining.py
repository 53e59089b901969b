"""Forbidden actions of a confined process, each tried in a free process as well: this tests the test."""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lrdecay_cli.isolation import Confinement, confine
from lrdecay_cli.isolation.landlock import version
from lrdecay_cli.processes.children import Outcome, in_children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone offers these ways of confining")

Attack = Callable[["Scene"], object]


class Scene:
    """Targets of an attacker: a folder with a secret, a project, a server and a neighbour process."""

    def __init__(self, folder: Path) -> None:
        self.home, self.project, self.scratch = folder / "home", folder / "project", folder / "scratch"
        for place in (self.home, self.project, self.scratch):
            place.mkdir()
        self.secret = self.home / "secret"
        self.secret.write_text("secret")
        (self.project / "config.py").write_text("model = None")
        self.shared = tempfile.NamedTemporaryFile(dir="/dev/shm")  # noqa: SIM115
        self.tcp, self.unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
        self.unix.bind(str(folder / "socket"))
        self.unix.listen()
        self.terminal = os.openpty()
        self.neighbour = subprocess.Popen(["sleep", "60"])

    def close(self) -> None:
        self.shared.close()
        self.tcp.close()
        self.unix.close()
        os.close(self.terminal[0])
        os.close(self.terminal[1])
        self.neighbour.kill()
        self.neighbour.wait()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def connect_by_unix_socket(scene: Scene) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(scene.unix.getsockname())


def send_a_datagram(_: Scene) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"secret", ("127.0.0.1", 9))


def run_a_program_that_writes(scene: Scene) -> None:
    subprocess.run(["sh", "-c", f"echo gone > {scene.secret}"], check=True, stderr=subprocess.DEVNULL)


def write_to_the_memory_of_another(scene: Scene) -> None:
    with Path(f"/proc/{scene.neighbour.pid}/mem").open("r+b"):
        pass


def trace_another(scene: Scene) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, scene.neighbour.pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def link_a_secret_out(scene: Scene) -> None:
    os.link(scene.secret, scene.scratch / "link")


def leave_the_group(_: Scene) -> None:
    os.setpgid(0, 0)


def make_a_user_namespace(_: Scene) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) < 0:
        raise OSError(ctypes.get_errno(), "unshare")


def type_into_the_terminal(scene: Scene) -> None:
    fcntl.ioctl(scene.terminal[1], termios.TIOCGWINSZ, b"\0" * 8)
    fcntl.ioctl(scene.terminal[1], termios.TIOCSTI, b"x")


# Actions that a free process may do and a confined one may not.
ATTACKS: dict[str, Attack] = {
    "connect": lambda scene: socket.create_connection(scene.tcp.getsockname(), timeout=2).close(),
    "connect by a file": connect_by_unix_socket,
    "send a datagram": send_a_datagram,
    "read a secret": lambda scene: scene.secret.read_text(),
    "read shared memory": lambda scene: Path(scene.shared.name).read_bytes(),
    "list a folder": lambda scene: list(scene.home.iterdir()),
    "write a file": lambda scene: (scene.home / "new").write_text("x"),
    "overwrite a file": lambda scene: scene.secret.write_text("x"),
    "write in the project": lambda scene: (scene.project / "config.py").write_text("x"),
    "cut a file": lambda scene: os.truncate(scene.secret, 0),
    "remove a file": lambda scene: scene.secret.unlink(),
    "rename a file": lambda scene: scene.secret.rename(scene.home / "moved"),
    "make a folder": lambda scene: (scene.home / "folder").mkdir(),
    "make a link": lambda scene: (scene.home / "link").symlink_to(scene.secret),
    "link a secret out": link_a_secret_out,
    "change a mode": lambda scene: scene.secret.chmod(0o777),
    "change a time": lambda scene: os.utime(scene.secret, (0, 0)),
    "run a program that writes": run_a_program_that_writes,
    "signal another": lambda scene: os.kill(scene.neighbour.pid, signal.SIGCONT),
    "write to the memory of another": write_to_the_memory_of_another,
    "trace another": trace_another,
    "leave the group": leave_the_group,
    "make a namespace": make_a_user_namespace,
}


def outcome_of(scene: Scene, attack: Attack, *, confined: bool) -> str:
    """Return ``done``, or the name of the exception that stopped the action."""

    def work(_: str) -> bytes:
        if confined:
            confine(Confinement(str(scene.scratch), (str(scene.project),)))
        try:
            attack(scene)
        except Exception as error:
            return f"{type(error).__name__}: {error}".encode()
        return b"done"

    (outcome,) = in_children(["attack"], work, jobs=1, timeout=120)
    return outcome.answer.decode() or outcome.reason


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(scene: Scene, attack: str) -> None:
    assert outcome_of(scene, ATTACKS[attack], confined=True) != "done"
    assert outcome_of(scene, ATTACKS[attack], confined=False) == "done"


def test_typing_into_the_terminal_is_refused(scene: Scene) -> None:
    assert "not permitted" in outcome_of(scene, type_into_the_terminal, confined=True)


def test_needs_of_a_config_are_kept(scene: Scene) -> None:
    def ordinary(scene: Scene) -> None:
        assert (scene.project / "config.py").read_text() == "model = None"
        assert Path(tempfile.mkdtemp()).is_relative_to(scene.scratch)
        (scene.scratch / "file").write_text("x")
        (scene.scratch / "file").rename(scene.scratch / "other")
        assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, check=True).stdout == b"1\n"
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        socket.socketpair()
        Path("/dev/null").write_text("x")
        assert os.getuid() == Path(scene.scratch / "other").stat().st_uid
        __import__("uuid").uuid4()

    assert outcome_of(scene, ordinary, confined=True) == "done"


def test_an_abort_still_reports_its_signal(scene: Scene) -> None:
    def abort(_: Scene) -> None:
        faulthandler.disable()
        os.abort()

    assert outcome_of(scene, abort, confined=True) == "killed by SIGABRT"


def test_a_child_over_its_limits_is_ended(scene: Scene) -> None:
    def spin(_: str) -> bytes:
        confine(Confinement(str(scene.scratch), (), cpu=1))
        while True:
            pass

    def fill(_: str) -> bytes:
        confine(Confinement(str(scene.scratch), (), file_size=1 << 16))
        (scene.scratch / "file").write_bytes(b"x" * (1 << 20))
        return b"done"

    def reason(work: Callable[[str], bytes]) -> str:
        (outcome,) = in_children(["attack"], work, jobs=1, timeout=120)
        assert isinstance(outcome, Outcome)
        return outcome.reason

    assert reason(spin) == "killed by SIGXCPU"
    # Python ignores this signal and raises an exception instead.
    assert reason(fill) == "exit code 1"
    assert (scene.scratch / "file").stat().st_size <= 1 << 16


def test_measured_values_are_reported(scene: Scene) -> None:
    def report(_: str) -> bytes:
        return "\n".join(map(str, confine(Confinement(str(scene.scratch), ())))).encode()

    (outcome,) = in_children(["probe"], report, jobs=1)
    lines = outcome.answer.decode().splitlines()
    assert lines[0].startswith("network (seccomp")
    assert lines[1] == "writes outside a scratch folder (Landlock)"
    assert version() >= 1
