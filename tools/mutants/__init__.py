"""Mutants of the engine's SQL: derived from its text, installed as a release, and each met with the tests that call what it broke."""
