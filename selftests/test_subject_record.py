"""What a launch records of its subject: output, status, and why it could not be started."""

import os
import re
import signal
import stat
from pathlib import Path

import pytest

from selftests.facts import settle
from selftests.launching import order, plain, settle_output, settle_status, subject_processes
from subject.isolation import why_not_isolated
from subject.launch import Launch, Order
from subject.warden import RECORD

ISOLATED = pytest.mark.skipif(why_not_isolated() is not None, reason=f"no namespaces here: {why_not_isolated()}")


@pytest.fixture(params=[pytest.param(True, marks=ISOLATED, id="isolated"), pytest.param(False, id="process-group")])
def isolate(request: pytest.FixtureRequest) -> bool:
    """Launches of both kinds."""
    return bool(request.param)


# --- what a launch records -----------------------------------------------------------------------------------------


def test_far_more_output_than_is_kept_is_drained_without_making_the_subject_wait(*, isolate: bool) -> None:
    """The subject writes far more than any buffer holds; it must never wait for a reader."""
    source = """
import os
line = b"x" * 1023 + b"\\n"
for _ in range(24):
    block = memoryview(line * 1024)
    while block:
        block = block[os.write(1, block):]
os.write(2, b"the end")
"""
    with Launch(order(source, isolate=isolate)) as launch:
        assert settle_status(launch) == 0
        settle(lambda: launch.report().output.endswith("the end"), what="the last words")
        report = launch.report()
    assert report.written == 24 * 1024 * 1024 + 7
    assert len(report.output) == RECORD


def test_a_subject_that_never_stops_writing_delays_neither_answers_nor_its_end(*, isolate: bool) -> None:
    with Launch(order("import os\nwhile True: os.write(1, b'y' * 4096)", isolate=isolate)) as launch:
        settle(lambda: launch.report(output=False).written > 1_000_000, what="a million bytes")
        launch.socket().close()


def test_a_subject_that_closes_its_output_goes_on_and_its_end_is_told(*, isolate: bool) -> None:
    source = """
import os, signal
os.write(1, b"said before")
os.closerange(0, 100)
signal.sigwait({signal.SIGUSR1})
os._exit(7)
"""
    blocking = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])" + source
    with Launch(order(blocking, isolate=isolate)) as launch:
        settle_output(launch, "said before")
        (pid,) = subject_processes(launch)
        settle(lambda: not os.listdir(f"/proc/{pid}/fd"), what="no descriptor left")
        assert launch.report().status is None
        os.kill(pid, signal.SIGUSR1)
        assert settle_status(launch) == 7
        assert launch.report().output == "said before"


def test_output_that_is_no_text_is_shown_as_far_as_it_can_be(*, isolate: bool) -> None:
    with Launch(order(r"import os; os.write(1, b'\xff\x00caf\xc3\xa9\r\n\x1b[1m')", isolate=isolate)) as launch:
        settle_status(launch)
        assert launch.report().output == "\ufffd\x00café\r\n\x1b[1m"
        assert launch.report(output=False).output == ""


def test_a_record_full_of_noise_is_told_to_its_last_byte(*, isolate: bool) -> None:
    """Bytes that JSON would write as six characters each, as many as are kept: they go into one message yet."""
    source = f"""
import os
noise = memoryview(bytes([0, 1, 0xFF, 0x7F]) * {RECORD // 4})
while noise:
    noise = noise[os.write(1, noise):]
"""
    with Launch(order(source, isolate=isolate)) as launch:
        settle_status(launch)
        settle(lambda: launch.report(output=False).written == RECORD, what="all of it")
        assert launch.report().output == "\0\x01\ufffd\x7f" * (RECORD // 4)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.abort()", -signal.SIGABRT)])
def test_the_status_of_the_launched_process_is_told(code: str, status: int, *, isolate: bool) -> None:
    with Launch(order(code, isolate=isolate)) as launch:
        assert settle_status(launch) == status
        assert launch.report().ended_for is None


# --- what cannot be started ----------------------------------------------------------------------------------------


def refused(launch: Launch) -> str:
    assert settle_status(launch) == 127
    settle(lambda: launch.report().output, what="a message")
    return launch.report().output


def test_a_command_that_is_not_there_is_told_by_its_name(*, isolate: bool, tmp_path: Path) -> None:
    for command in ("./no-such-server", str(tmp_path / "none"), "no-such-server-in-path"):
        with Launch(plain(command, "8080", isolate=isolate, cwd=tmp_path)) as launch:
            # A folder of the path that may not be read makes the second of it.
            assert re.search("No such file or directory|Permission denied", refused(launch))
            assert command in launch.report().output


def test_a_command_that_may_not_be_run_is_told_by_its_name(*, isolate: bool, tmp_path: Path) -> None:
    (tmp_path / "server").write_text("#!/bin/sh\n")
    with Launch(plain("./server", isolate=isolate, cwd=tmp_path)) as launch:
        assert "./server: Permission denied" in refused(launch)


def test_a_file_that_is_no_program_is_told_by_its_name(*, isolate: bool, tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(b"\x00\x01not a program")
    (tmp_path / "server").chmod(stat.S_IRWXU)
    with Launch(plain("./server", isolate=isolate, cwd=tmp_path)) as launch:
        assert "./server: Exec format error" in refused(launch)


def test_a_folder_that_is_not_there_is_told_by_its_name(*, isolate: bool, tmp_path: Path) -> None:
    with Launch(plain("cat", isolate=isolate, cwd=tmp_path / "gone")) as launch:
        assert f"{tmp_path / 'gone'}: No such file or directory" in refused(launch)


def test_a_script_for_an_interpreter_that_is_not_there_is_told(*, isolate: bool, tmp_path: Path) -> None:
    (tmp_path / "server").write_text("#!/no/such/interpreter\n")
    (tmp_path / "server").chmod(stat.S_IRWXU)
    with Launch(plain("./server", isolate=isolate, cwd=tmp_path)) as launch:
        assert "./server: No such file or directory" in refused(launch)


def test_what_no_process_can_be_given_is_told(*, isolate: bool) -> None:
    with Launch(plain("cat", "a\0b", isolate=isolate)) as launch:
        assert "null byte" in refused(launch)


def test_a_command_is_found_by_the_path_of_its_own_environment(*, isolate: bool, tmp_path: Path) -> None:
    (tmp_path / "my-server").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "my-server").chmod(stat.S_IRWXU)
    with Launch(Order(argv=["my-server"], cwd=Path("/"), env={"PATH": str(tmp_path)}, isolate=isolate)) as launch:
        assert settle_status(launch) == 0
        assert launch.report().output == "found\n"
