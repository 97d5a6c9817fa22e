from __future__ import annotations

from pathlib import Path

import pytest

from infra.lab import fleet
from infra.lab.errors import UserError
from infra.lab.paths import Paths
from infra.lab.stack import Stack, config_of, settings_of
from infra.settings import Settings

STACK = "local"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "cache", tmp_path / "state")


def test_what_was_added_is_there_at_the_next_look_and_the_checkout_stays_as_it_is(paths: Paths) -> None:
    before = settings_of(STACK, paths)
    fleet.keep(paths, STACK, fleet.change(before, config_of(STACK), "iotkit", 3))
    fleet.keep(paths, STACK, fleet.change(settings_of(STACK, paths), config_of(STACK), "fan", 2))
    assert settings_of(STACK, paths).fleet == before.fleet | {"iotkit": before.fleet["iotkit"] + 3, "fan": 2}
    assert settings_of(STACK).fleet == before.fleet


def test_what_was_removed_again_leaves_nothing_behind(paths: Paths) -> None:
    fleet.keep(paths, STACK, fleet.change(settings_of(STACK, paths), config_of(STACK), "iotkit", 3))
    assert fleet.change(settings_of(STACK, paths), config_of(STACK), "iotkit", -3) == {}


def test_a_number_that_is_the_scales_and_not_the_stacks_own_is_kept() -> None:
    told: dict[str, object] = {"iotlab:devices": {"iotkit": 5}}
    assert fleet.change(Settings.parse(told), told, "iotkit", -2) == {"iotkit": 3}


def test_numbers_lie_over_those_of_the_stacks_file(paths: Paths) -> None:
    fleet.keep(paths, STACK, {"iotkit": 7})
    laid = fleet.laid_over({fleet.KEY: {"iotkit": 1, "fan": 4}, "a": 1}, paths, STACK)
    assert laid == {fleet.KEY: {"iotkit": 7, "fan": 4}, "a": 1}


@pytest.mark.parametrize(
    ("config", "kind", "by", "sentence"),
    [
        ({}, "boat", 1, "there is no kind 'boat'"),
        ({}, "iotkit", -4, "there are only 3"),
        ({}, "car", 15_000, "more than the 15000 that a pod can be"),
        ({}, "iotkit", 1000, "more than the 1000"),
        ({"iotlab:services": ["kafka"]}, "car", 1, "this stack has no fleet"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(config: dict[str, object], kind: str, by: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        fleet.change(Settings.parse(config), config, kind, by)


def test_a_broken_file_is_named(paths: Paths) -> None:
    fleet.keep(paths, STACK, {})
    fleet.file_of(paths, STACK).write_text("{")
    with pytest.raises(UserError, match="remove it"):
        settings_of(STACK, paths)


def test_a_purge_forgets_them(paths: Paths) -> None:
    fleet.keep(paths, STACK, {"iotkit": 7})
    Stack(STACK, paths, {}, paths.kubeconfig).forget()
    assert not fleet.file_of(paths, STACK).exists()
