"""The demonstration, `python -m tollway.demo`: durable work on real input, and what is left of it after a kill."""
