"""The cache of parts: what is half-built, lost or changed is noticed."""

import os
import threading
from pathlib import Path

import pytest

from infra.lab.errors import LabError
from infra.lab.toolchain.store import MARKER, Marker, Source, Store

KEY = "tool-1.0-0123456789"
LONG_AGO_S = 1_700_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", tmp_path / "cache" / "bin")


def make(store: Store, key: str = KEY, program: str = "tool") -> Path:
    """A finished part with one program, a second name for it, and a file that is old enough to compare times."""
    scratch = store.scratch(key)
    (scratch / "bin").mkdir()
    (scratch / "bin" / program).write_text("#!/bin/sh\necho here\n")
    (scratch / "bin" / f"{program}-too").symlink_to(program)
    os.utime(scratch / "bin" / program, (LONG_AGO_S, LONG_AGO_S))
    store.finish(key, scratch, Marker("tool", "1.0", "package", 1.5, (Source("tool.whl", "1.0", "ab" * 32),)))
    return store.folder(key)


def test_a_finished_part_has_no_fault_and_says_what_it_was_made_from(store: Store) -> None:
    folder = make(store)
    assert store.fault(KEY) is None
    assert store.verify(KEY) == []
    marker = Marker.read(folder)
    assert marker is not None
    assert (marker.origin, marker.sources[0].name, sorted(marker.content)) == (
        "package",
        "tool.whl",
        ["bin/tool", "bin/tool-too"],
    )


def test_a_killed_build_leaves_a_part_that_is_not_made(store: Store) -> None:
    (store.scratch(KEY) / "half").write_text("half")
    assert store.fault(KEY) == "not made yet"


def test_the_remains_of_a_killed_build_are_not_in_the_next_one(store: Store) -> None:
    killed = store.parts / f".making-{KEY}-1"
    killed.mkdir(parents=True)
    (killed / "half").write_text("half")
    fresh = store.scratch(KEY)
    assert list(fresh.iterdir()) == []
    assert list(store.parts.iterdir()) == [fresh]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"part": "tool"}'])
def test_a_folder_without_a_whole_marker_is_half_built(store: Store, content: str | None) -> None:
    marker = make(store) / MARKER
    marker.unlink()
    if content is not None:
        marker.write_text(content)
    assert store.fault(KEY) == "half-built: it has no marker"


def test_a_lost_file_is_named(store: Store) -> None:
    (make(store) / "bin" / "tool").unlink()
    assert store.fault(KEY) == "bin/tool is gone"


def test_a_changed_file_is_named_without_reading_it(store: Store) -> None:
    (make(store) / "bin" / "tool").write_text("#!/bin/sh\necho other\n")
    assert store.fault(KEY) == "bin/tool was changed"


def test_a_link_that_points_elsewhere_is_named(store: Store) -> None:
    link = make(store) / "bin" / "tool-too"
    link.unlink()
    link.symlink_to("/bin/true")
    assert store.fault(KEY) == "bin/tool-too does not point to tool"


def test_verify_finds_a_file_of_the_same_size_and_time_with_other_content(store: Store) -> None:
    program = make(store) / "bin" / "tool"
    program.write_text("#!/bin/sh\necho hare\n")
    os.utime(program, (LONG_AGO_S, LONG_AGO_S))
    assert store.fault(KEY) is None
    assert store.verify(KEY) == [str(program)]


def test_verify_finds_a_file_that_does_not_belong_there(store: Store) -> None:
    intruder = make(store) / "bin" / "kubectl"
    intruder.write_text("")
    assert store.verify(KEY) == [str(intruder)]


def test_links_of_parts_that_are_no_longer_wanted_go(store: Store) -> None:
    make(store, "old-1", "old")
    make(store, "new-1", "new")
    store.link(["old-1"])
    store.link(["new-1"])
    assert sorted(path.name for path in store.programs.iterdir()) == ["new", "new-too"]
    assert (store.programs / "new").resolve() == store.folder("new-1") / "bin" / "new"


def test_links_survive_a_move_of_the_whole_cache(store: Store, tmp_path: Path) -> None:
    make(store)
    store.link([KEY])
    store.cache.rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "bin" / "tool").read_text().startswith("#!/bin/sh")


def test_a_part_from_a_bundle_is_taken_over_and_says_so(store: Store, tmp_path: Path) -> None:
    unpacked = make(Store(tmp_path / "other", tmp_path / "other" / "bin"))
    os.utime(unpacked / "bin" / "tool", (LONG_AGO_S + 9, LONG_AGO_S + 9))
    store.adopt(KEY, unpacked)
    marker = Marker.read(store.folder(KEY))
    assert store.fault(KEY) is None
    assert marker is not None
    assert marker.origin == "bundle"


def test_a_damaged_part_of_a_bundle_is_refused(store: Store, tmp_path: Path) -> None:
    unpacked = make(Store(tmp_path / "other", tmp_path / "other" / "bin"))
    (unpacked / "bin" / "tool").write_text("#!/bin/sh\nrm -rf /\n")
    with pytest.raises(LabError, match=r"the bundle's part tool-1.0-0123456789 is damaged .*: fetch the bundle again"):
        store.adopt(KEY, unpacked)
    assert store.fault(KEY) == "not made yet"


def test_two_builds_never_hold_the_cache_at_once(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()

    def second() -> None:
        with store.lock():
            entered.set()

    waiting = threading.Thread(target=second)
    with store.lock():
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join(5)
    assert entered.is_set()
    assert f"Waiting for process {os.getpid()}" in capsys.readouterr().err.replace("\n", " ")
