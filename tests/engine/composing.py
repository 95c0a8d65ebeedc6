"""Read compose files as an inventory does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from muster.inventory.compose import services


def read(
    folder: Path,
    text: str,
    *,
    project: str | None = None,
    profiles: Sequence[str] = (),
    env_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    file = folder / "docker-compose.prod.yml"
    file.write_text(text, "utf-8")
    found, problems = services(
        file, project=project, profiles=profiles, env_file=env_file, environment=environment or {}
    )
    return found, [str(each).replace(f"{folder}/", "") for each in problems]


def told(folder: Path, text: str, **more: Any) -> dict[str, dict[str, Any]]:
    found, problems = read(folder, text, **more)
    assert problems == []
    return found


def wrong(folder: Path, text: str, **more: Any) -> list[str]:
    found, problems = read(folder, text, **more)
    assert found == {}
    return problems


def one(folder: Path, text: str, **more: Any) -> dict[str, Any]:
    """What is said of a service that has this text, without its match."""
    lines = "\n".join(f"    {line}" for line in f"image: x\n{text}".splitlines())
    (entry,) = told(folder, f"services:\n  web:\n{lines}\n", **more).values()
    return {key: value for key, value in entry.items() if key not in ("match", "image")}


def one_wrong(folder: Path, text: str, **more: Any) -> str:
    lines = "\n".join(f"    {line}" for line in text.splitlines())
    (problem,) = wrong(folder, f"services:\n  web:\n    image: x\n{lines}\n", **more)
    assert problem.startswith("docker-compose.prod.yml:")
    return problem.removeprefix("docker-compose.prod.yml:")
