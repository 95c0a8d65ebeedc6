"""Real servers that tests start: each on a free loopback port or in a throwaway folder, stopped by its own pid.

``docker`` is an engine with containers in every state, ``sshd`` is hosts (also cut off, silent and odd ones),
``http`` is endpoints that behave and misbehave, ``sqlite_files`` is database files, good and broken,
``program`` is programs that use what they are asked to, ``nspass`` an agent that looks after some. The fixtures that
start them are in ``tests/conftest.py``.
"""
