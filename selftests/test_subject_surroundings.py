"""What a launched subject finds around it, from signals to folders, and what its launch records."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import pytest

from selftests.launching import ask, free_port, order, plain, said, settle_output, settle_status, subject_processes
from subject import launch as launching
from subject.isolation import why_not_isolated
from subject.launch import Launch

ISOLATED = pytest.mark.skipif(why_not_isolated() is not None, reason=f"no namespaces here: {why_not_isolated()}")


@pytest.fixture(params=[pytest.param(True, marks=ISOLATED, id="isolated"), pytest.param(False, id="process-group")])
def isolate(request: pytest.FixtureRequest) -> bool:
    """Launches of both kinds."""
    return bool(request.param)


@pytest.fixture
def odd_signals() -> Iterator[None]:
    """The suite itself ignores some signals and blocks others, as pytest and its plugins may."""
    ignored = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    signal.signal(signal.SIGUSR2, ignored)


def output(launch: Launch) -> str:
    assert settle_status(launch) == 0, launch.report().output
    return launch.report().output


# --- what a process inherits ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("odd_signals")
def test_no_signal_is_ignored_or_blocked(*, isolate: bool) -> None:
    """Python ignores SIGPIPE, and so would every server that a Python suite starts; then it misses a client's reset."""
    with Launch(plain("cat", "/proc/self/status", isolate=isolate)) as launch:
        status = dict(line.split(":\t", 1) for line in output(launch).splitlines() if ":\t" in line)
    assert int(status["SigIgn"], 16) == 0
    assert int(status["SigBlk"], 16) == 0


def test_three_descriptors_are_open_and_no_more(*, isolate: bool) -> None:
    with Launch(plain("ls", "-1", "/proc/self/fd", isolate=isolate)) as launch:
        assert output(launch).split() == ["0", "1", "2", "3"]  # ls itself has the folder open


def test_output_goes_to_a_terminal_that_controls_nobody_and_input_is_empty(*, isolate: bool) -> None:
    source = """
import json, os, sys
try:
    os.open("/dev/tty", os.O_RDWR)
    controlled = True
except OSError:
    controlled = False
print(json.dumps([os.isatty(1), os.isatty(2), os.isatty(0), sys.stdin.read(), controlled, os.getsid(0) == os.getpid()]))
"""
    with Launch(order(source, isolate=isolate)) as launch:
        assert said(launch) == [True, True, False, "", False, True]


def test_the_subject_is_given_its_words_its_folder_and_its_environment_to_the_letter(
    tmp_path: Path, *, isolate: bool
) -> None:
    words = ["", "two words", "línea\nnueva 🐙", "$HOME", "\udcff"]  # the last one is no text at all, only a byte
    source = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))"
    environment = {"PATH": "/bin", "EMPTY": "", "ODD": "a=b\n\udcfe"}
    with Launch(order(source, *words, isolate=isolate, cwd=tmp_path, env=environment)) as launch:
        argv, folder, seen = said(launch)
    assert argv == words
    assert folder == str(tmp_path)
    assert {name: seen[name] for name in environment} == environment
    assert set(seen) <= {*environment, "LC_CTYPE"}


def test_a_crash_leaves_no_core_file(*, isolate: bool) -> None:
    source = "import json, resource; print(json.dumps(resource.getrlimit(resource.RLIMIT_CORE)))"
    with Launch(order(source, isolate=isolate)) as launch:
        assert said(launch) == [0, 0]


@ISOLATED
def test_the_subject_is_not_the_first_process_of_its_namespace() -> None:
    source = "import json, os; print(json.dumps([os.getpid(), os.getppid()]))"
    with Launch(order(source)) as launch:
        pid, parent = said(launch)
    assert pid > 1
    assert parent == 1


@ISOLATED
def test_a_default_sigterm_ends_the_subject() -> None:
    with Launch(order("import signal; print('ready', flush=True); signal.pause()")) as launch:
        settle_output(launch, "ready")
        (pid,) = subject_processes(launch)
        os.kill(pid, signal.SIGTERM)
        assert settle_status(launch) == -signal.SIGTERM


@ISOLATED
def test_a_server_that_lies_in_tmp_itself_or_behind_a_link_there_is_found() -> None:
    with tempfile.TemporaryDirectory(prefix="preforkspec-", dir="/tmp") as folder:
        program = Path(f"{folder}.sh")
        link = Path(f"{folder}.link")
        try:
            program.write_text("#!/bin/sh\necho found; pwd\n", encoding="ascii")
            program.chmod(0o755)
            link.symlink_to(folder)
            (Path(folder) / "linked.sh").write_text(program.read_text(encoding="ascii"), encoding="ascii")
            (Path(folder) / "linked.sh").chmod(0o755)
            for words, cwd in (
                ([str(program)], Path("/")),
                ([f"./{program.name}"], Path("/tmp")),
                ([f"{link}/linked.sh"], Path("/")),
            ):
                with Launch(plain(*words, isolate=True, cwd=cwd)) as launch:
                    assert output(launch).splitlines() == ["found", str(cwd)]
        finally:
            program.unlink(missing_ok=True)
            link.unlink(missing_ok=True)


@ISOLATED
def test_tmp_is_private_though_others_come_and_go_there_meanwhile() -> None:
    over = Event()

    def come_and_go() -> None:
        while not over.is_set():
            with ExitStack() as folders:
                for _ in range(20):
                    folders.enter_context(tempfile.TemporaryDirectory(prefix="preforkspec-", dir="/tmp"))

    others = Thread(target=come_and_go)
    others.start()
    try:
        for _ in range(5):
            with Launch(plain("stat", "-f", "-c", "%T", "/tmp", "/dev/shm", isolate=True)) as launch:
                assert output(launch).split() == ["tmpfs", "tmpfs"]
    finally:
        over.set()
        others.join()


def test_what_a_command_names_beside_the_folder_that_it_is_started_in_is_shown_ahead_of_others(tmp_path: Path) -> None:
    shown = launching._folders_needed(plain("./server", "sub/../server.conf", "8080", isolate=True, cwd=tmp_path))  # noqa: SLF001
    assert {f"{tmp_path}/server", f"{tmp_path}/server.conf", str(tmp_path)} <= set(shown)


@ISOLATED
def test_a_server_that_lies_in_shared_memory_is_found() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="preforkspec-", dir="/dev/shm") as folder,
        Launch(plain("pwd", isolate=True, cwd=Path(folder))) as launch,
    ):
        assert output(launch).strip() == folder


# --- what a launch has for itself ----------------------------------------------------------------------------------

WRITES_EVERYWHERE = """
import ctypes, os, stat, sys, tempfile
for path in ("/tmp/preforkspec-selftest.sock", "/dev/shm/preforkspec-selftest", "/tmp/preforkspec-selftest.d"):
    if path.endswith(".d"):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
queue = ctypes.CDLL(None).msgget(0x70726673, 0o1600 | 0o2000)  # IPC_CREAT | IPC_EXCL
assert queue >= 0, "the queue was there already"
assert tempfile.gettempdir() == "/tmp"
assert stat.S_IMODE(os.stat("/tmp").st_mode) == 0o1777
print("ready", flush=True)
sys.stdin.read()
import signal; signal.pause()
"""


@ISOLATED
def test_temporary_files_shared_memory_and_queues_are_the_launchs_own() -> None:
    """Equal pid namespaces give equal pids, so servers that name files by pid would meet in a shared /tmp."""
    with Launch(order(WRITES_EVERYWHERE)) as one, Launch(order(WRITES_EVERYWHERE)) as other:
        for launch in (one, other):
            settle_output(launch, "ready")
        for path in ("/tmp/preforkspec-selftest.sock", "/dev/shm/preforkspec-selftest", "/tmp/preforkspec-selftest.d"):
            assert not Path(path).exists()
        assert "70726673" not in Path("/proc/sysvipc/msg").read_text()


@ISOLATED
def test_folders_of_tmp_that_the_subject_needs_are_there_and_writable(tmp_path: Path) -> None:
    source = "import json, os, sys; open('log', 'w').write('x'); print(json.dumps(sorted(os.listdir('.'))))"
    (tmp_path / "server").touch()
    with Launch(order(source, cwd=tmp_path)) as launch:
        assert said(launch) == ["log", "server"]
    assert (tmp_path / "log").read_text() == "x"


@ISOLATED
def test_the_subject_sees_its_own_processes_only() -> None:
    source = "import json, os; print(json.dumps([int(name) for name in os.listdir('/proc') if name.isdigit()]))"
    with Launch(order(source)) as launch:
        assert len(said(launch)) == 2


SERVES_THEN_CLOSES = """
import socket, sys
listener = socket.socket()  # no SO_REUSEADDR: TIME_WAIT would hinder the next one
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(100)
    connection.sendall(sys.argv[2].encode())
    connection.close()
"""


@ISOLATED
def test_two_launches_have_the_same_port_side_by_side() -> None:
    with Launch(order(SERVES_THEN_CLOSES, 80, "one")) as one, Launch(order(SERVES_THEN_CLOSES, 80, "other")) as other:
        settle_output(one, "ready")
        settle_output(other, "ready")
        assert ask(one, 80) == b"one"
        assert ask(other, 80) == b"other"


@ISOLATED
def test_the_same_port_is_free_again_at_once_whatever_waits_in_the_kernel() -> None:
    for _ in range(5):
        with Launch(order(SERVES_THEN_CLOSES, 8080, "hi")) as launch:
            settle_output(launch, "ready")
            assert ask(launch, 8080) == b"hi"


@ISOLATED
def test_a_socket_of_the_launch_stays_in_its_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        with Launch(order(SERVES_THEN_CLOSES, port, "hi")) as launch:
            settle_output(launch, "ready")
            assert ask(launch, port) == b"hi"
            made = [launch.socket() for _ in range(200)]
            assert len({each.fileno() for each in made}) == 200
            for each in made:
                each.close()
            with launch.socket(socket.AF_INET6) as newer:
                assert newer.family is socket.AF_INET6
        outside.setblocking(False)
        with pytest.raises(BlockingIOError):
            outside.accept()


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")], ids=["IPv4", "IPv6"]
)
def test_an_occupied_port_is_taken_for_as_long_as_the_launch_lasts(family: int, host: str, *, isolate: bool) -> None:
    source = f"""
import errno, json, socket, sys
with socket.socket({int(family)}) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(({host!r}, int(sys.argv[1])))
        print(json.dumps(["bound"]))
    except OSError as error:
        print(json.dumps([errno.errorcode[error.errno]]))
"""
    port = free_port()
    with Launch(order(source, port, isolate=isolate, occupied_port=port)) as launch:
        assert said(launch) == ["EADDRINUSE"]
        with launch.socket() as client:
            client.connect(("127.0.0.1", port))
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
