"""Compose files: the containers that they stand for, and what is wrong with them, by file, line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muster.inventory.compose import services
from tests.engine.composing import one, one_wrong, told, wrong

#: As the guides have their files: a proxy, what watches it, and what collects its logs.
PRODUCTION = """\
version: "3.8"

x-logging: &logging
  driver: json-file
  options: {max-size: 10m, max-file: "3"}

x-service: &service
  restart: unless-stopped
  logging: *logging

services:
  quota-proxy:
    <<: *service
    image: quota-proxy:${VERSION:-1.0}
    container_name: quota-proxy
    ports:
      - "127.0.0.1:${PORT:-8787}:8787"
    environment:
      - ADMIN_TOKEN=${ADMIN_TOKEN:?set it}
      - DATABASE_URL=sqlite:///data/quota.db
    volumes: ["./data:/data"]
    depends_on:
      redis:
        condition: service_healthy
      migrate:
        condition: service_completed_successfully
    healthcheck:
      test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1:8787/healthz"]
      interval: 30s
    deploy:
      resources:
        limits: {memory: 512M}
  migrate:
    image: quota-proxy:${VERSION:-1.0}
    command: migrate
  redis:
    <<: *service
    image: redis:7-alpine
    healthcheck: {test: redis-cli ping}
  prometheus:
    <<: *service
    image: prom/prometheus
    profiles: [monitoring]
    ports: ["9090:9090"]
  grafana:
    image: grafana/grafana:11.0.0
    restart: always
    profiles: [monitoring]
    depends_on: [prometheus]
    ports:
      - target: 3000
        published: "${GRAFANA_PORT-3000}"
        host_ip: 127.0.0.1
        mode: host
  loki:
    image: grafana/loki
    profiles: ["logging"]
    expose: ["3100"]
    network_mode: host
volumes: {data: }
networks: {default: {name: proxy}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that gives a project its name."""
    made = tmp_path / "Quota Proxy"
    made.mkdir()
    return made


def test_each_service_is_a_container_as_the_file_has_it(folder: Path) -> None:
    assert told(folder, PRODUCTION) == {
        "quota-proxy": {
            "match": "quota-proxy",
            "image": "quota-proxy:1.0",
            "ports": ["127.0.0.1:8787->8787/tcp"],
            "health": "healthy",
            "restart": "unless-stopped",
        },
        "redis": {
            "match": "quotaproxy[-_]redis[-_]1",
            "image": "redis:7-alpine",
            "health": "healthy",
            "restart": "unless-stopped",
        },
    }


def test_services_of_a_profile_are_there_where_it_is_active(folder: Path) -> None:
    watched = told(folder, PRODUCTION, profiles=["monitoring"])
    assert list(watched) == ["quota-proxy", "redis", "prometheus", "grafana"]
    assert watched["grafana"]["ports"] == ["127.0.0.1:3000->3000/tcp"]
    assert watched["prometheus"]["ports"] == ["0.0.0.0:9090->9090/tcp"]
    logged = told(folder, PRODUCTION, profiles=["logging"])
    assert logged["loki"] == {"match": "quotaproxy[-_]loki[-_]1", "image": "grafana/loki"}
    assert "loki" in told(folder, PRODUCTION, profiles=["*"])
    assert "loki" in told(folder, PRODUCTION, environment={"COMPOSE_PROFILES": "logging,monitoring"})


def test_a_service_that_depends_on_one_that_is_not_active_is_refused_as_compose_does(folder: Path) -> None:
    text = PRODUCTION.replace('profiles: ["logging"]', "depends_on: [prometheus, nothing]")
    assert wrong(folder, text) == [
        "docker-compose.prod.yml:57:18: loki depends on prometheus, whose profiles are not active; "
        "compose refuses that too",
        "docker-compose.prod.yml:57:30: loki depends on nothing, which is not there; compose refuses that too",
    ]
    weak = "depends_on: {prometheus: {condition: service_started, required: false}}"
    assert "loki" in told(folder, PRODUCTION.replace('profiles: ["logging"]', weak))


def test_variables_come_from_the_environment_then_from_env(folder: Path) -> None:
    (folder / ".env").write_text("VERSION=2.1\nPORT=9000\nADMIN_TOKEN=hush\n")
    entry = told(folder, PRODUCTION, environment={"PORT": "9001"})["quota-proxy"]
    assert (entry["image"], entry["ports"]) == ("quota-proxy:2.1", ["127.0.0.1:9001->8787/tcp"])
    other = folder / "production.env"
    other.write_text("VERSION=3\n")
    entry = told(folder, PRODUCTION, env_file=other)["quota-proxy"]
    assert (entry["image"], entry["ports"]) == ("quota-proxy:3", ["127.0.0.1:8787->8787/tcp"])


@pytest.mark.parametrize(
    ("port", "mapped"),
    [
        ('"8787:8787"', ["0.0.0.0:8787->8787/tcp"]),
        ("8787:8787", ["0.0.0.0:8787->8787/tcp"]),
        ("22:22", ["0.0.0.0:22->22/tcp"]),
        ('"127.0.0.1:80:8080"', ["127.0.0.1:80->8080/tcp"]),
        ('"[::1]:80:8080"', ["[::1]:80->8080/tcp"]),
        ('"53:53/udp"', ["0.0.0.0:53->53/udp"]),
        ('"9000-9002:9000-9002"', ["0.0.0.0:9000-9002->9000-9002/tcp"]),
        ('"9000-9002:80-82/udp"', ["0.0.0.0:9000-9002->80-82/udp"]),
        ("3000", None),
        ('"3000-3005"', None),
        ('"127.0.0.1::5000"', None),
        ('"8000-8010:80"', None),
        ("{target: 80}", None),
        ("{target: 80, published: 8080}", ["0.0.0.0:8080->80/tcp"]),
        ('{target: 80, published: "8080", protocol: udp, host_ip: 127.0.0.1}', ["127.0.0.1:8080->80/udp"]),
        ('{target: 80, published: "8080-8090"}', None),
        ("{target: 80, published: 8080, host_ip: '::1', app_protocol: http}", ["[::1]:8080->80/tcp"]),
    ],
)
def test_ports_are_written_as_docker_ps_does(folder: Path, port: str, mapped: list[str] | None) -> None:
    assert one(folder, f"ports: [{port}]").get("ports") == mapped


@pytest.mark.parametrize(
    ("port", "says"),
    [
        ('"eighty:80"', "is no port as compose has it: 8787:8787 or 127.0.0.1:8787:8787/tcp"),
        ("0:0", "has a port that is no number from 1 to 65535"),
        ('"70000:80"', "has a port that is no number from 1 to 65535"),
        ('"90-80:90-80"', "a range that runs backwards"),
        ('"80-82:80-81"', "maps a range of ports to one of another length"),
        ("{published: 80}", "names no target"),
        ("{target: 80, protocol: smoke}", "has a protocol that is none of tcp, udp, sctp"),
        ("[80]", "has to be text or a number"),
        ("$PORT", "needs the variable PORT"),
    ],
)
def test_ports_that_are_none_are_problems(folder: Path, port: str, says: str) -> None:
    problem = one_wrong(folder, f"ports:\n  - {port}")
    assert problem.startswith("5:9: ")
    assert says in problem


@pytest.mark.parametrize("mode", ["host", "none", "service:redis", "container:box"])
def test_a_service_without_a_network_of_its_own_maps_nothing(folder: Path, mode: str) -> None:
    assert one(folder, f'network_mode: "{mode}"\nports: ["80:80"]') == {}


@pytest.mark.parametrize(
    ("check", "health"),
    [
        ("{test: [CMD, true]}", "healthy"),
        ("{test: curl -f http://127.0.0.1/}", "healthy"),
        ("{disable: true}", "none"),
        ("{disable: false, test: 'true'}", "healthy"),
        ("{test: [NONE]}", "none"),
        ("{test: NONE}", "none"),
        ("{interval: 5s}", None),
        ("", None),
    ],
)
def test_health_is_as_the_healthcheck_is(folder: Path, check: str, health: str | None) -> None:
    assert one(folder, f"healthcheck: {check}").get("health") == health


@pytest.mark.parametrize(
    ("text", "restart"),
    [
        ("restart: always", "always"),
        ("restart: no", "no"),
        ('restart: "no"', "no"),
        ("restart: on-failure:3", "on-failure:3"),
        ("deploy: {restart_policy: {condition: any}}", "always"),
        ("deploy: {restart_policy: {condition: none}}", "no"),
        ("restart: always\ndeploy: {restart_policy: {condition: on-failure, max_attempts: 5}}", "on-failure:5"),
        ("deploy: {restart_policy: {delay: 5s}}", None),
    ],
)
def test_the_restart_policy_is_as_the_file_has_it(folder: Path, text: str, restart: str | None) -> None:
    assert one(folder, text).get("restart") == restart


def test_each_instance_of_a_service_is_a_container(folder: Path) -> None:
    found = told(folder, "services: {web: {image: x, deploy: {replicas: 2}}, api: {build: ., scale: 3}}")
    assert [(name, entry["match"]) for name, entry in found.items()] == [
        ("web-1", "quotaproxy[-_]web[-_]1"),
        ("web-2", "quotaproxy[-_]web[-_]2"),
        ("api-1", "quotaproxy[-_]api[-_]1"),
        ("api-2", "quotaproxy[-_]api[-_]2"),
        ("api-3", "quotaproxy[-_]api[-_]3"),
    ]
    assert "image" not in found["api-1"]
    assert told(folder, "services: {web: {image: x}, off: {image: x, scale: 0}}").keys() == {"web"}


@pytest.mark.parametrize("count", ["1000000000", "-1", "two", "1001"])
def test_a_number_of_instances_is_bounded(folder: Path, count: str) -> None:
    assert "is no number of instances, from 0 to 1,000" in one_wrong(folder, f"scale: {count}")


@pytest.mark.parametrize(
    ("text", "more", "project"),
    [
        ("", {}, "quotaproxy"),
        ("name: named\n", {}, "named"),
        ("name: ${STAGE:-x}-named\n", {}, "x-named"),
        ("name: named\n", {"environment": {"COMPOSE_PROJECT_NAME": "surroundings"}}, "surroundings"),
        ("name: named\n", {"project": "given", "environment": {"COMPOSE_PROJECT_NAME": "other"}}, "given"),
    ],
)
def test_the_project_has_the_name_that_compose_gives_it(folder: Path, text: str, more: Any, project: str) -> None:
    found = told(folder, f"{text}services: {{web: {{image: '$COMPOSE_PROJECT_NAME/x'}}}}", **more)
    assert found == {"web": {"match": f"{project}[-_]web[-_]1", "image": f"{project}/x"}}


def test_a_name_that_docker_would_refuse_is_a_problem(folder: Path) -> None:
    assert wrong(folder, "name: No Good\nservices: {web: {image: x}}") == [
        "docker-compose.prod.yml:1:7: the project's name has small letters, digits, - and _, a letter or digit first"
    ]
    assert "is no name of a container" in one_wrong(folder, "container_name: a*")
    assert "2 instances of web cannot all be called" in one_wrong(folder, "container_name: web\nscale: 2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("include: [other.yml]\nservices: {web: {image: x}}", "1:1: include reads other files"),
        ("services: {web: {extends: {service: base}}}", "1:18: extends reads other files"),
        ("services: {web: {image: x, imgae: y}}", '1:28: a service has no "imgae"; did you mean "image"?'),
        (
            "service: {}\nservices: {web: {image: x}}",
            '1:1: a compose file has no "service"; did you mean "services"?',
        ),
        ("services: {web: {image: x, ports: !override ['80:80']}}", "1:35: !override is for a file that overrides"),
    ],
)
def test_what_only_compose_can_do_is_refused_with_the_way_out(folder: Path, text: str, says: str) -> None:
    (problem,) = wrong(folder, text)
    assert problem.startswith(f"docker-compose.prod.yml:{says}")
    assert "give the file that `docker compose config` prints" in problem


def test_extensions_are_left_alone(folder: Path) -> None:
    assert told(folder, "x-a: 1\nservices: {web: {image: x, x-b: [2]}}").keys() == {"web"}


def test_a_file_that_another_overrides_is_refused(folder: Path) -> None:
    file = folder / "docker-compose.yml"
    file.write_text("services: {web: {image: x}}")
    (folder / "docker-compose.override.yml").write_text("services: {web: {ports: ['80:80']}}")
    found, (problem,) = services(file, project=None, profiles=(), env_file=None, environment={})
    assert found == {}
    assert "docker-compose.override.yml beside it changes it, and is not read" in str(problem)
    # With -f compose reads the one file only.
    assert told(folder, "services: {web: {image: x}}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1:1: is empty; a compose file has services"),
        ("- a", "1:1: is no compose file: the top level has to be a mapping (services:, ...)"),
        ("volumes: {}", "1:1: has no services"),
        ("services: []", "1:11: services has to be a mapping"),
        ("services: {web: }", "1:12: the service web has neither image nor build"),
        ("services: {web: {command: x}}", "1:12: the service web has neither image nor build"),
        ("services: {web: nginx}", "1:17: the service web has to be a mapping"),
        ("services: {web: {image: [x]}}", "1:25: has to be text or a number"),
        ("services: {web: {image: x, ports: '80:80'}}", "1:35: ports has to be a list"),
        ("services: {web: {image: x, image: y}}", '1:28: duplicate key "image"; it is on line 1 too'),
        ("services: {web: {image: x, restart: sometimes}}", "1:37: is no restart policy"),
        ("services: {web: {image: x\n", "2:1: not YAML"),
        ("services: &a {<<: *a}", "1:11: <<: *name leads back to itself"),
        ("services: " + "{a: " * 60 + "}" * 60, "nested deeper than 50 levels"),
    ],
)
def test_a_file_that_makes_no_sense_is_told_by_line_and_column(folder: Path, text: str, says: str) -> None:
    problems = wrong(folder, text)
    assert says in problems[0]


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    found, problems = services(tmp_path / "none.yml", project=None, profiles=(), env_file=None, environment={})
    assert found == {}
    assert [str(each) for each in problems] == [f"{tmp_path}/none.yml:1:1: cannot be read: No such file or directory"]


def test_a_file_of_aliases_of_aliases_costs_no_more_than_it_says(folder: Path) -> None:
    lines = ["x-0: &x0 {labels: {a: b}}"]
    lines += [f"x-{n}: &x{n} {{<<: [{', '.join([f'*x{n - 1}'] * 9)}], x-{n}: *x{n - 1}}}" for n in range(1, 12)]
    text = "\n".join([*lines, "services: {web: {image: x, <<: *x11}}"])
    assert told(folder, text)["web"]["image"] == "x"


def test_a_long_list_that_many_services_share_is_read_once(folder: Path) -> None:
    ports = ", ".join(f"'{port}:{port}'" for port in range(1, 2_000))
    many = "\n".join(f"  s{n}: {{image: x, ports: *ports}}" for n in range(2_000))
    found = told(folder, f"x-ports: &ports [{ports}]\nservices:\n{many}\n")
    assert len({id(entry["ports"]) for entry in found.values()}) == 1
