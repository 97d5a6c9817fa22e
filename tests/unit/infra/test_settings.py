"""Settings: what can't work is refused with a sentence that says what to do."""

import re
from dataclasses import replace

import pytest

from infra.lab.bundle import upstream
from infra.scales import SCALES
from infra.settings import NEEDS, NOT_HERE, SETS, UPSTREAM, Settings, SettingsError


def test_an_empty_configuration_is_the_small_core_lab() -> None:
    settings = Settings.parse({})
    assert settings.scale is SCALES["S"]
    assert settings.chosen == frozenset(SETS["core"])
    assert settings.fleet == {"car": 25, "iotkit": 3, "fan": 0}
    assert settings.kubeconfig == ""


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"iotlab:scale": "XXXL"}, "iotlab:scale: there is no scale 'XXXL'; choose one of S, M, L, XL."),
        ({"iotlab:scal": "S"}, "the configuration key iotlab:scal is not known; keys are"),
        ({"iotlab:services": ["bridge", "mosquitto"]}, "the service 'bridge' needs 'kafka'; add it to iotlab:services."),
        ({"iotlab:services": ["grafna"]}, "iotlab:services: there is no service or set 'grafna'"),
        ({"iotlab:services": []}, "iotlab:services: it names no service; choose from core, "),
        ({"iotlab:rotation": 0}, "iotlab:rotation: 0 is too small; write 1 or more."),
        ({"iotlab:devices": {"boat": 1}}, "iotlab:devices: 'boat' is not known; write 'car', 'iotkit' or 'fan'."),
        ({"iotlab:devices": {"fan": -1}}, "iotlab:devices: -1 is too small; write 0 or more."),
        (
            {"iotlab:iotkitIngest": "node-red"},
            "iotlab:iotkitIngest names 'node-red', which is not among iotlab:services; add it, or name bridge.",
        ),
        (
            {"iotlab:iotkitIngest": "node-red", "iotlab:services": ["core", "teaching"], "iotlab:scale": "XL"},
            "iotlab:iotkitIngest: Node-RED listens to the first broker, and scale XL has 6",
        ),
        ({"iotlab:iotkitIngest": "both"}, "iotlab:iotkitIngest: 'both' is not known; write 'bridge' or 'node-red'."),
        ({"iotlab:hosts": ["https://lab.example"]}, "iotlab:hosts: 'https://lab.example' is no host name in small letters"),
        ({"iotlab:rotation": "often"}, "iotlab:rotation: 'often' is no whole number; write digits alone, as in 40."),
        ({"iotlab:devices": 5}, "iotlab:devices: '5' stands where keys belong; write each on a line of its own below this one"),
        ({"iotlab:scale": 3}, "iotlab:scale: 3 is no text; write it in quotes, as in '3'."),
    ],
)
def test_what_cannot_work_is_refused_with_one_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse(config)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"kubeconfig": "~/.kube/config", "deviceCidr": "192.168.1.0/24"},
            "iotlab:deviceCidr opens a port of the embedded cluster",
        ),
        ({"registry": "localhost:5000"}, "iotlab:registry needs iotlab:kubeconfig: the embedded cluster takes its images from"),
        ({"context": "kind-iotlab"}, "iotlab:context needs iotlab:kubeconfig: it names a context of that file"),
    ],
)
def test_what_cannot_stand_together_in_a_stacks_file_is_refused(config: dict[str, object], sentence: str) -> None:
    settings = Settings.parse({f"iotlab:{key}": value for key, value in config.items()})
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        settings.refuse_illegal_pairs()


def test_a_kubeconfig_may_come_with_a_context_and_a_registry() -> None:
    config = {"iotlab:kubeconfig": "kind.yaml", "iotlab:context": "kind-iotlab", "iotlab:registry": "http://localhost:5000/lab"}
    Settings.parse(config).refuse_illegal_pairs()


def test_a_registry_that_is_none_is_refused_with_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^iotlab:registry: 'nowhere' is no registry: write host:port"):
        Settings.parse({"iotlab:registry": "nowhere"})


def test_keys_of_other_projects_are_not_ours_to_judge() -> None:
    assert Settings.parse({"aws:region": "eu-central-1"}).scale_name == "S"


def test_the_engine_hands_values_over_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    said = '{"iotlab:scale": "M", "iotlab:services": "[\\"mosquitto\\", \\"fleet\\"]", "iotlab:rotation": "2"}'
    monkeypatch.setenv("PULUMI_CONFIG", said)
    settings = Settings.load()
    assert (settings.scale_name, settings.rotation, settings.chosen) == ("M", 2, frozenset({"mosquitto", "fleet"}))


def test_every_service_is_in_a_set_and_every_set_can_run_with_the_ones_before() -> None:
    assert sorted(name for names in SETS.values() for name in names) == sorted(NEEDS)
    for count in range(1, len(SETS) + 1):
        Settings.parse({"iotlab:services": list(SETS)[:count]})


def test_a_service_whose_upstream_image_nobody_brought_is_left_out_and_costs_no_error() -> None:
    settings = Settings.parse({"iotlab:services": ["core", "observing"]})
    assert settings.left_out == {"grafana"}
    assert not settings.has("grafana")
    assert settings.chosen == frozenset(SETS["core"])
    brought = settings.with_images({"grafana": "registry.example/grafana:1.0.0"})
    assert brought.has("grafana")
    assert brought.left_out == frozenset()
    assert brought.services_mb == settings.services_mb  # an image may still come: the machine must carry it


@pytest.mark.parametrize(("name", "why"), NOT_HERE.items())
def test_what_the_lab_cannot_have_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"there is no '{name}' in this lab: {why}; take it out"):
        Settings.parse({"iotlab:services": ["core", name]})


def test_the_services_of_upstream_images_are_those_of_the_bundles_table() -> None:
    assert {image.name for image in upstream.UPSTREAM} == UPSTREAM
    assert set(NEEDS) >= UPSTREAM


def test_a_service_of_several_pods_has_their_budgets_and_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, small = Settings.parse({}), SCALES["S"]
    memory_mb, disk_gb = settings.services_mb, settings.volumes_gb
    monkeypatch.setitem(SCALES, "S", replace(small, mqtt_shards=6, bridges=2))
    more_mb = 5 * small.budgets["mosquitto"].limit_mb + small.budgets["bridge"].limit_mb
    assert (settings.services_mb, settings.volumes_gb) == (memory_mb + more_mb, disk_gb + 5 * small.mqtt_volume_gb)


def test_every_scale_has_a_budget_for_every_service_and_sums_them() -> None:
    for scale in SCALES.values():
        assert set(scale.budgets) == set(NEEDS)
        assert all(budget.request_mb <= budget.limit_mb for budget in scale.budgets.values())
    assert Settings.parse({}).services_mb == sum(SCALES["S"].budgets[name].limit_mb for name in SETS["core"])
    everything = Settings.parse({"iotlab:services": list(SETS)})
    assert everything.services_mb == sum(budget.limit_mb for budget in SCALES["S"].budgets.values())
    whole = Settings.parse({"iotlab:services": list(SETS)})
    assert whole.asked == frozenset(NEEDS)
    assert whole.services_mb == sum(budget.limit_mb for budget in SCALES["S"].budgets.values())
