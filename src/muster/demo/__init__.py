"""A small service to watch, and a run of the suite on it that shows every verdict.

``python -m muster.demo run`` is what ``make demo`` calls; ``python -m muster.demo serve`` is the service alone.
"""
