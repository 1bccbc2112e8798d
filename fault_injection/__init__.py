"""Illegal stimuli: faults, each a context manager that undoes itself, and beside them the tests that use them.

The faults (`signals`, `stalls`, `floods`, `channel`, `limits`, `syscalls`, `wire`) know processes, sockets and
launches, and nothing of pools and clauses. The tests, and what they play (`scenes/`), know both.
"""
