"""The specification of pre-forking servers, as clauses, tables and judges of what was seen.

Pure: nothing in here opens a file, a socket or a process, or looks at a clock. Read `clause.py` first, then any
section (`pool.py`, `recycle.py` …); `sections.py` puts them in order.
"""
