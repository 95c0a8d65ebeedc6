"""Facts with an argument, declared one line above the check that reads them.

::

    shadow = fact.file("/etc/shadow")

    @check(severity="critical", remediation="chmod 640 /etc/shadow")
    def test_shadow_is_private(shadow: FileState) -> None:
        ...
"""

from muster.facts.command_output import command
from muster.facts.file_state import file

__all__ = ["command", "file"]
