"""The auditor: which statements change a state, by which paths, and which required side effect can be bypassed.

It stands alone: it reads any project's SQL and Python, needs no server, and imports nothing of the engine.
"""
