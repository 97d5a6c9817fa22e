"""Settings of machines: what can't work is refused before anything is asked of a cloud, with the key as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from infra.cloud import prices
from infra.cloud.checks import refuse
from infra.cloud.facts import Course
from infra.cloud.quotas import quotas
from infra.scales import MACHINE_TYPES
from infra.settings import Settings, SettingsError
from tests.support.cloud import CLOUD, KEY
from tests.support.machines import FULL

COURSE = Course("https://example.org/x.git", 40 * "a")


def settings(services: tuple[str, ...] = ("core",), **cloud: object) -> Settings:
    return Settings.parse({"iotlab:cloud": CLOUD | cloud, "iotlab:services": list(services)})


def course(**otherwise: str) -> dict[str, object]:
    return {"courseRepository": {"repository": "https://example.org/x.git", "commit": 40 * "a"} | otherwise}


def test_a_stack_without_the_key_or_with_an_empty_one_makes_no_machines() -> None:
    assert Settings.parse({}).cloud is None
    assert Settings.parse({"iotlab:cloud": {}}).cloud is None


@pytest.mark.parametrize(
    ("cloud", "sentence"),
    [
        ({"provider": "azure"}, "iotlab:cloud.provider: 'azure' is not known; write 'aws'."),
        ({"foo": 1}, "the configuration key iotlab:cloud.foo is not known; keys are bundle, courseRepository, diskGb, "),
        ({"diskGb": 16}, "iotlab:cloud.diskGb: 16 is too small; write 32 or more."),
        ({"ownerCidr": "203.0.113.7/24"}, "iotlab:cloud.ownerCidr: '203.0.113.7/24' is no network"),
        ({"ownerCidr": "192.168.1.0/24"}, "iotlab:cloud.ownerCidr: 192.168.1.0/24 is a private network, which the cloud never"),
        ({"ownerCidr": "100.64.9.1/32"}, "iotlab:cloud.ownerCidr: 100.64.9.1/32 is a private network, which the cloud never"),
        ({"ownerCidr": "127.0.0.0/8"}, "iotlab:cloud.ownerCidr: 127.0.0.0/8 is a private network, which the cloud never"),
        ({"ownerCidr": "0.0.0.0/0"}, "iotlab:cloud: ownerCidr 0.0.0.0/0 opens the machines to strangers"),
        ({"openReason": "«demo»"}, "iotlab:cloud.openReason: it can't stand in a rule"),
        ({"owner": "Ada\n"}, "iotlab:cloud.owner: 'Ada"),
        ({"machineType": "z9.huge"}, "iotlab:cloud.machineType: there is no machine type 'z9.huge'"),
        ({"sshKeys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "iotlab:cloud.sshKeys: this is a private key: it stays with you"),
        ({"hostKeys": {"lab": "SHA256:abc"}}, "iotlab:cloud.hostKeys: lab: 'SHA256:abc…' is no host key; write what"),
        ({"reachableWithinMin": 0}, "iotlab:cloud.reachableWithinMin: 0 is too small; write more than 0."),
        ({"sshKeys": ["ada"]}, "iotlab:cloud.sshKeys: 'ada…' is no public key"),
        ({"kubernetes": "k3s"}, "iotlab:cloud.kubernetes: 'k3s' is not known; write 'microk8s' or 'embedded'."),
        ({"sshKeys": [f"ssh-ed25519 {68 * '='}"]}, "iotlab:cloud.sshKeys: 'ssh-ed25519 ========…' is no public key"),
        ({"sshKeys": [f"ssh-ed25519 {67 * 'A'}"]}, "iotlab:cloud.sshKeys: 'ssh-ed25519 AAAAAAAA…' is no public key"),
        ({"region": "frankfurt"}, "iotlab:cloud.region: 'frankfurt' is no region of AWS; write its code, as in eu-central-1."),
        ({"microk8sChannel": "latest/edge"}, "microk8sChannel: 'latest/edge' is no channel of MicroK8s; write one as in 1.34/"),
        (course(repository="http://x"), "iotlab:cloud.courseRepository.repository: 'http://x' is no https address without a"),
        (
            course(commit="main"),
            "iotlab:cloud.courseRepository.commit: 'main' is no whole commit; write its 40 hexadecimal digits",
        ),
        ({"monthlyLimit": 0}, "iotlab:cloud.monthlyLimit: 0 is too small; write more than 0."),
        *(
            ({"expires": day}, f"iotlab:cloud.expires: '{day}' is no day; write it as in 2030-01-31.")
            for day in ("soon", 20300131)
        ),
        ({"sshKeys": "ssh-ed25519 AA"}, "sshKeys: 'ssh-ed25519 AA' is no list; write each entry on a line of its own below the"),
        ({"knative": "perhaps"}, "iotlab:cloud.knative: 'perhaps' is neither true nor false; write one of them."),
        ({"monthlyLimit": "cheap"}, "iotlab:cloud.monthlyLimit: 'cheap' is no number; write it as in 40 or 0.5."),
        (
            {"courseRepository": "x"},
            "iotlab:cloud.courseRepository: 'x' stands where keys belong; write each on a line of its own",
        ),
        ({"courseRepository": {"commit": 40 * "a"}}, "iotlab:cloud.courseRepository.repository: the key is missing; write it"),
    ],
)
def test_what_cannot_work_is_refused_with_the_key_as_it_is_written(cloud: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse({"iotlab:cloud": CLOUD | cloud})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("given", "for_aws"), [("203.0.113.7", "203.0.113.7/32"), ("203.0.113.0/255.255.255.0", "203.0.113.0/24")]
)
def test_an_address_is_brought_into_the_notation_that_aws_takes(given: str, for_aws: str) -> None:
    cloud = Settings.parse({"iotlab:cloud": CLOUD | {"ownerCidr": given}}).cloud
    assert cloud is not None
    assert cloud.owner_cidr == for_aws


def test_a_word_where_the_keys_of_the_cloud_belong_is_refused_with_the_first_of_them() -> None:
    with pytest.raises(SettingsError, match=r"^iotlab:cloud: 'hello' stands where keys belong; .* as in bundle: ….$"):
        Settings.parse({"iotlab:cloud": "hello"})


@pytest.mark.parametrize("names", [[], ["Lab"], ["a", "a"], ["-a"], [f"m{n}" for n in range(49)]])
def test_machines_are_host_names_once_each_and_not_more_than_a_net_has(names: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"^iotlab:machines: "):
        Settings.parse({"iotlab:machines": names})


@pytest.mark.parametrize(
    ("cloud", "facts"),
    [
        ({"microk8sChannel": "1.34/edge"}, {"microk8s_channel": "1.34/edge"}),
        ({"microk8sChannel": "x1.34/stable"}, {"microk8s_channel": "x1.34/stable"}),
        ({"microk8sChannel": "1.34-strict/candidate"}, {"microk8s_channel": "1.34-strict/candidate"}),
        *((course(commit=word), {"course": replace(COURSE, commit=word)}) for word in (f"main-{40 * 'a'}", 40 * "a")),
        *(
            (course(repository=url), {"course": replace(COURSE, repository=url)})
            for url in ("https://me@example.org/x", "https://example.org/@me/x", "https://example.org")
        ),
        *(({"sshKeys": [key]}, {"ssh_keys": (key,)}) for key in (f"ssh-dss {68 * 'A'}", f"ssh-rsa {68 * 'A'} x", "ssh-rsa AA")),
    ],
)
def test_settings_and_user_data_take_and_refuse_the_same(cloud: dict[str, object], facts: dict[str, Any]) -> None:
    said = [_refusal(lambda: Settings.parse({"iotlab:cloud": CLOUD | cloud})), _refusal(lambda: refuse(replace(FULL, **facts)))]
    (key,) = cloud
    assert said == ["", ""] or all(f"iotlab:cloud.{key}" in one for one in said), said
    assert not said[1] or said[1].startswith("Pulumi.s.yaml, machine modtec-07-st17a: ")


@pytest.mark.parametrize("name", ["7a", "a7", "a-", 63 * "a", 64 * "a"])
def test_a_host_name_is_one_for_both(name: str) -> None:
    said = [_refusal(lambda: Settings.parse({"iotlab:machines": [name]})), _refusal(lambda: refuse(replace(FULL, name=name)))]
    assert said == ["", ""] or all(f"iotlab:machines: '{name}' is no host name; write small letters" in one for one in said), said


def _refusal(asked: Callable[[], object]) -> str:
    try:
        asked()
    except SettingsError as refused:
        return str(refused)
    return ""


def test_a_key_that_would_not_reach_the_machines_is_refused() -> None:
    asked = Settings.parse({"iotlab:cloud": CLOUD, "iotlab:deviceCidr": "192.168.1.0/24"})
    with pytest.raises(SettingsError, match=r"^iotlab:deviceCidr does not reach the machines of iotlab:cloud yet: remove it\.$"):
        asked.refuse_illegal_pairs()
    settings().refuse_illegal_pairs()


def test_services_that_do_not_fit_a_machine_are_refused_with_the_types_that_they_fit() -> None:
    with pytest.raises(SettingsError, match=r"need 6732 MB of memory, a t3\.medium has 4096: take a larger .*t3\.large, .*m6i\."):
        settings(("core", "teaching"), machineType="t3.medium")
    assert settings(("core",), machineType="t3.medium").machine_type.memory_gb == 4


def test_volumes_that_do_not_fit_the_disk_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"may fill a disk of 35 GB, iotlab:cloud\.diskGb is 32: raise it"):
        settings(("core", "teaching"), diskGb=32)


def test_the_last_day_is_the_day_before_expiry() -> None:
    cloud = settings(expires="2030-06-02").cloud
    assert cloud is not None
    assert cloud.unready(date(2030, 6, 1)) == ""
    assert cloud.unready(date(2030, 6, 2)).startswith("iotlab:cloud.expires: 2030-06-02 has come")


def test_the_engine_hands_the_keys_over_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = json.dumps({"expires": "2030-01-31", "sshKeys": [KEY]})
    said = json.dumps({"iotlab:cloud": cloud, "iotlab:machines": json.dumps(["a", "b"])})
    monkeypatch.setenv("PULUMI_CONFIG", said)
    loaded = Settings.load()
    assert loaded.cloud is not None
    assert (loaded.cloud.expires, loaded.cloud.ssh_keys, loaded.machines) == (date(2030, 1, 31), (KEY,), ("a", "b"))


def test_every_machine_type_has_a_price_in_every_region_of_the_table() -> None:
    for region in prices.table().regions.values():
        assert set(region.machine_h) == set(MACHINE_TYPES)


def test_the_table_says_where_it_is_from_and_whether_a_person_checked_it() -> None:
    table = prices.table()
    unchecked, checked = (table.model_copy(update={"checked": day}).note for day in ("", date(2026, 12, 1)))
    assert re.search(
        r"compared on \d{4}-\d\d-\d\d with copies .*; check infra/cloud/prices\.yaml before you rely on it", unchecked
    )
    assert "checked on 2026-12-01" in checked
    assert "before you rely" not in checked


def test_a_table_that_nobody_looked_after_for_half_a_year_says_so() -> None:
    table = prices.table()
    assert table.old(table.compared) == table.old(table.compared + timedelta(days=prices.OLD_DAYS)) == ""
    old = table.old(table.compared + timedelta(days=prices.OLD_DAYS + 1))
    assert old.startswith(f"These prices are of {table.compared}, 181 days ago: look at the lists")
    looked_after = table.model_copy(update={"checked": table.compared + timedelta(days=100)})
    assert looked_after.old(table.compared + timedelta(days=200)) == ""


def test_a_class_costs_as_many_machines_and_one_store() -> None:
    one = settings()
    many = Settings.parse({"iotlab:cloud": CLOUD, "iotlab:machines": [f"m{number}" for number in range(24)]})
    costs = {line.what: line.usd_month for line in prices.lines(one)}
    for line in prices.lines(many):
        assert line.usd_month == pytest.approx(costs[line.what] * line.count)
    assert {line.what.split(",")[0]: line.count for line in prices.lines(many)}["store"] == 1


def test_a_stopped_machine_still_costs_its_disk_and_its_address() -> None:
    assert {line.what.split()[0] for line in prices.lines(settings()) if line.when_stopped} == {"disk", "public", "store,"}


def test_quotas_grow_with_the_class_and_say_when_to_ask_for_more() -> None:
    one = {quota.code: quota for quota in quotas(settings())}
    many = {q.code: q for q in quotas(Settings.parse({"iotlab:cloud": CLOUD, "iotlab:machines": [f"m{n}" for n in range(24)]}))}
    assert all(quota.enough for quota in one.values())
    assert (many["L-1216C47A"].needed, many["L-1216C47A"].enough) == (48, False)
    assert (many["L-0263D0A3"].needed, many["L-0263D0A3"].enough) == (24, False)


def test_three_machines_take_three_times_the_price_and_the_quotas_of_one() -> None:
    names = ["modtec-02-st17a", "modtec-03-st17a", "modtec-04-st17a"]
    three = Settings.parse({"iotlab:cloud": CLOUD, "iotlab:machines": names})
    assert [line.count for line in prices.lines(three)] == [3, 3, 3, 1]
    needed = {quota.code: (quota.needed, quota.enough) for quota in quotas(three)}
    assert needed == {"L-1216C47A": (6, False), "L-0263D0A3": (3, True), "L-F678F1CE": (1, True), "L-A4707A72": (1, True)}
