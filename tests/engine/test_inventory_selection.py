"""``--limit`` selects targets by host, group, label and name, and says so where nothing matches."""

from __future__ import annotations

import pytest

from muster.inventory import Inventory, NothingSelected, load, select

TEXT = """
groups:
  proxies: {labels: {role: proxy, tier: "1"}, containers: {quota: {}}}
  databases: {labels: {role: db}}
hosts:
  proxy-[1:3]: {groups: [proxies]}
  db-1: {groups: [databases], endpoints: {web: {url: "http://a/", labels: {role: ui}}}}
  plain: {}
endpoints:
  website: {url: "https://www.example.net/"}
"""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    path = tmp_path_factory.mktemp("selection") / "inventory.yaml"
    path.write_text(TEXT)
    return load([path])


@pytest.mark.parametrize(
    ("limit", "ids"),
    [
        ("proxy-1", "proxy-1 proxy-1/quota"),
        ("proxy-[12]", "proxy-1 proxy-1/quota proxy-2 proxy-2/quota"),
        ("db-*, plain", "db-1 db-1/web plain"),
        ("databases", "db-1 db-1/web"),
        ("role=ui", "db-1/web"),
        ("role=p*,!proxy-2,!proxy-3", "proxy-1 proxy-1/quota"),
        ("!proxies", "db-1 db-1/web plain website"),
        ("!db-1,proxies,!proxy-[1-2]", "proxy-3 proxy-3/quota"),
        ("website", "website"),
        ("proxy-[1:2]", "proxy-1 proxy-1/quota proxy-2 proxy-2/quota"),
        ("proxy-[2:9]", "proxy-2 proxy-2/quota proxy-3 proxy-3/quota"),
        ("proxy-[1:3:2]/quota", "proxy-1/quota proxy-3/quota"),
        ("[o:p]r*[1:2]/*", "proxy-1/quota proxy-2/quota"),
        ("proxy-[1-2],db-[1:1]", "proxy-1 proxy-1/quota proxy-2 proxy-2/quota db-1 db-1/web"),
        ("proxies,!proxy-[1:2]", "proxy-3 proxy-3/quota"),
        ("*/quota", "proxy-1/quota proxy-2/quota proxy-3/quota"),
        ("!*/*,!website", "proxy-1 proxy-2 proxy-3 db-1 plain"),
    ],
)
def test_a_pattern_selects_in_the_order_of_the_inventory(inventory: Inventory, limit: str, ids: str) -> None:
    assert [target.id for target in select(inventory, limit)] == ids.split()


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("proxi-1", '--limit "proxi-1" matches no target; did you mean "proxy-1"?'),
        ("proxy-1,databse", '--limit "databse" matches no target; did you mean "databases"?'),
        ("!plian", '--limit "plian" matches no target; did you mean "plain"?'),
        ("role=porxy", '--limit "role=porxy" matches no target; did you mean "role=proxy"?'),
        ("role=9", '--limit "role=9" matches no target; role is one of db, proxy, ui'),
        ("rule=proxy", '--limit "rule=proxy" matches no target; did you mean the label "role"?'),
        ("db-1/wbe", '--limit "db-1/wbe" matches no target; did you mean "db-1/web"?'),
        (
            "zzz",
            '--limit "zzz" matches no target; '
            "there is databases, db-1, plain, proxies, proxy-1, proxy-2, proxy-3, website",
        ),
        ("plain,!plain", '--limit "plain,!plain" leaves no target'),
        (" , ", '--limit " , " names nothing'),
        ("proxy-[7:9]", '--limit "proxy-[7:9]" matches no target; did you mean "proxy-3"?'),
        ("proxy-[01:03]", '--limit "proxy-[01:03]" matches no target; did you mean "proxy-3"?'),
        ("proxy-[3:1]", '--limit "proxy-[3:1]": [3:1] runs backwards; write the smaller end first'),
        (
            "proxy-[1:999999999]",
            '--limit "proxy-[1:999999999]" stands for 999,999,999 names; at most 100,000 are allowed',
        ),
        (
            "proxy-[1:2000]*",
            '--limit "proxy-[1:2000]*" stands for 2,000 names; at most 1,000 are allowed beside * ? or [...]',
        ),
    ],
)
def test_a_pattern_that_matches_nothing_says_the_nearest_names(
    inventory: Inventory, limit: str, message: str
) -> None:
    with pytest.raises(NothingSelected) as raised:
        select(inventory, limit)
    assert str(raised.value) == message
