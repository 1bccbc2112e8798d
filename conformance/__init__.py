"""The tests that decide the clauses, one file a section, and the stage on which they play."""
