"""How everyone waits: who is looked at, where children come and go meanwhile."""

from pathlib import Path

from conformance import watching
from selftests.scripted import GENEROUS, staged

# The only child ends while it is looked at; at its end another one is there.
ONE_AFTER_ANOTHER = """
import select
listener = listen()

def waits():
    own = select.epoll()
    own.register(listener, select.EPOLLIN)
    own.poll()

def replace(*_):
    os.wait()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child(waits)

signal.signal(signal.SIGCHLD, replace)
child(lambda: time.sleep(0.15))
select.epoll().poll()
"""


def test_those_who_follow_are_looked_at_where_all_that_there_were_have_ended(tmp_path: Path) -> None:
    with staged(tmp_path)(ONE_AFTER_ANOTHER, pace=GENEROUS) as stage:
        stage.start()
        watched = watching.look(stage)
    assert len(watched.children) == 1
