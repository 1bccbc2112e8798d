"""Tests of the project itself, its mutants and variants, and what those tests stand on."""
