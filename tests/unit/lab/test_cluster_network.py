"""The cluster's addresses meet nobody else's."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from infra.lab.cluster import network
from infra.lab.cluster.network import CANDIDATES, Network
from infra.lab.errors import UserError


def routes(*texts: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(text) for text in texts)


def test_the_first_candidate_is_taken_on_a_plain_machine(tmp_path: Path) -> None:
    chosen = network.choose(tmp_path / "network.json", routes("192.168.1.0/24", "172.17.0.0/16"))
    assert chosen.base == CANDIDATES[0]
    assert (chosen.host, chosen.node, chosen.dns) == ("10.213.0.1", "10.213.0.2", "10.213.16.10")


def test_the_three_ranges_lie_apart_inside_the_base() -> None:
    for base in CANDIDATES:
        ranges = Network.inside(base).ranges
        assert all(one.subnet_of(IPv4Network(base)) for one in ranges)
        assert not any(one.overlaps(two) for one in ranges for two in ranges if one is not two)


def test_candidates_stay_out_of_what_others_use() -> None:
    others = routes("10.42.0.0/15", "172.16.0.0/12", "192.168.0.0/16", "10.244.0.0/16", "10.96.0.0/12")
    assert not any(IPv4Network(base).overlaps(other) for base in CANDIDATES for other in others)


def test_a_route_of_the_machine_moves_the_choice_to_the_next_candidate(tmp_path: Path) -> None:
    assert network.choose(tmp_path / "network.json", routes("10.213.16.0/28")).base == CANDIDATES[1]


def test_the_choice_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "network.json"
    first = network.choose(kept, routes("10.213.0.0/16"))
    assert network.choose(kept, ()) == first


def test_a_kept_choice_that_has_become_taken_is_refused_with_both_names(tmp_path: Path) -> None:
    kept = tmp_path / "network.json"
    network.choose(kept, ())
    with pytest.raises(UserError, match=r"10\.213\.1\.128/25.*10\.213\.0\.0/16.*--purge"):
        network.choose(kept, routes("10.213.1.128/25"))


def test_a_machine_that_routes_all_of_ten_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of the address ranges"):
        network.choose(tmp_path / "network.json", routes("10.0.0.0/8"))
    assert not (tmp_path / "network.json").exists()
