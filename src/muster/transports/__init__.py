"""Transports: the code that talks to the outside, and the only I/O in the project."""
