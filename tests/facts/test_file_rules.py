from pathlib import Path

import pytest

from muster.facts.file_rules import parse, script
from muster.probes import DoesNotApply, Unobserved
from muster.targets import FileRule
from tests.facts.asked_here import HOSTS, ask
from tests.facts.recordings import recorded, said

RULES = {
    "/srv/secret": FileRule(owner="root", group="root", mode=0o600),
    "/etc/shadow": FileRule(owner="root", group="shadow", mode=0o640),
    "/nowhere": FileRule(),
}


@pytest.mark.parametrize("host", ["debian12", "busybox"])
def test_each_file_that_is_not_as_its_rule_is_named_once(host: str) -> None:
    found = parse(said(recorded("file_rules", host)), RULES)
    assert found.wrong == (
        "/srv/secret owner nobody, expected root; mode 0644, expected 0600",
        "/nowhere is not there, expected to be",
    )
    assert str(found) == "/srv/secret nobody:root 0644, /etc/shadow root:shadow 0640, /nowhere is not there"


def test_a_rule_without_bounds_takes_whatever_the_file_is() -> None:
    assert parse(said("0 =81a4:nobody:root\nend\n"), {"/srv/secret": FileRule()}).wrong == ()


def test_a_file_that_may_not_be_looked_at_is_no_good_news() -> None:
    line = "0 stat: cannot statx '/root/x': Permission denied\n"
    with pytest.raises(Unobserved, match="look as root, with sudo") as failure:
        parse(said(f"{line}end\n"), {"/root/x": FileRule()})
    assert failure.value.cause == "permission"


def test_what_is_wrong_for_certain_is_told_although_another_may_not_be_looked_at() -> None:
    text = "0 stat: cannot statx '/root/x': Permission denied\n1 =81a4:a:a\nend\n"
    assert parse(said(text), {"/root/x": FileRule(), "/x": FileRule(mode=0)}).wrong == (
        "/x mode 0644, expected 0000",
    )


@pytest.mark.parametrize(
    "text", ["end\n", "1 =81a4:a:a\nend\n", "0 =81a4:a\nend\n", "0 =81a4:a:a\n1 =81a4:a:a\nend\n"]
)
def test_an_answer_about_other_files_is_no_fact(text: str) -> None:
    with pytest.raises(Unobserved):
        parse(said(text), {"/x": FileRule(mode=0o644)})


def test_without_rules_there_is_nothing_to_look_at() -> None:
    with pytest.raises(DoesNotApply):
        parse(said("end\n"), {})


@pytest.mark.parametrize("host", HOSTS)
def test_names_of_any_kind_and_links_are_looked_at(tmp_path: Path, host: str) -> None:
    odd = tmp_path / "it's * $(odd)"
    odd.write_text("")
    odd.chmod(0o4750)
    (tmp_path / "link").symlink_to(odd)
    rules = {str(odd): FileRule(mode=0o4750), str(tmp_path / "link"): FileRule(mode=0o750)}
    found = parse(ask(script(tuple(rules)), host, tmp_path), rules)
    assert found.wrong == (f"{tmp_path}/link mode 4750, expected 0750",)
