"""Signals as bytes in a pipe: the parent meets them in its epoll, like all else, at a moment of its own choice."""

import os
import signal

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD)


class Signals:
    """The parent's signals, from the moment that this is made."""

    def __init__(self) -> None:
        self.fd, self.inlet = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self.inlet, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, lambda *_: None)  # the interpreter writes only those that have a handler
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)  # whoever launched us may have blocked them

    def disown(self) -> None:
        """In a newborn: no signal of its own may reach the parent's pipe; then let them in."""
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self.inlet)
        # A terminal sends Ctrl-C to all of the group, but when to end is for the parent to say.
        for number in HANDLED:
            signal.signal(number, signal.SIG_IGN if number in (signal.SIGINT, signal.SIGUSR1) else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
