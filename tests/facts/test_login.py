from muster.facts.login import login
from muster.probes import Attempt, Login
from muster.targets import Host


def test_a_host_that_is_down_is_observed() -> None:
    probe = login.probe(Host(name="web-1"))
    attempt = Attempt("timed out", "network", "after 5 s")
    assert probe.question == Login()
    assert probe.parse(attempt) is attempt
