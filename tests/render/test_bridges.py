"""Several bridges are one service of several deployments: policies know them by one name, and none takes another's pods."""

from __future__ import annotations

from tests.support.charts import LEAST, Object, pod_templates, rendered_with

BRIDGES = ("bridge", "bridge-1", "bridge-2")


def _of(kind: str, objects: list[Object]) -> Object:
    return next(one for one in objects if one["kind"] == kind)


def test_each_objects_selector_takes_the_pods_of_its_own_release() -> None:
    made = {name: rendered_with(name, "app", LEAST["app"] | {"memberOf": "bridge", "replicas": 2}) for name in BRIDGES}
    pods = {name: template["metadata"]["labels"] for name, objects in made.items() for _, template in pod_templates(objects)}
    assert [labels["app.kubernetes.io/name"] for labels in pods.values()] == ["bridge"] * len(BRIDGES)
    for name, objects in made.items():
        selectors = [
            _of("Deployment", objects)["spec"]["selector"]["matchLabels"],
            _of("NetworkPolicy", objects)["spec"]["podSelector"]["matchLabels"],
            _of("PodDisruptionBudget", objects)["spec"]["selector"]["matchLabels"],
            _of("Service", objects)["spec"]["selector"],
        ]
        for selector in selectors:
            assert [other for other, labels in pods.items() if selector.items() <= labels.items()] == [name]


def test_one_that_is_alone_is_selected_by_its_name() -> None:
    objects = rendered_with("bridge", "app", LEAST["app"])
    assert _of("Deployment", objects)["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "bridge"}
    ((_, template),) = pod_templates(objects)
    assert template["metadata"]["labels"]["app.kubernetes.io/instance"] == "bridge"


def test_a_new_pod_is_ready_before_the_old_one_ends_unless_two_at_a_time_would_harm() -> None:
    rolling, one_by_one = (rendered_with("a", "app", LEAST["app"] | {"strategy": name}) for name in ("RollingUpdate", "Recreate"))
    surge = {"maxSurge": 1, "maxUnavailable": 0}
    assert _of("Deployment", rolling)["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": surge}
    assert _of("Deployment", one_by_one)["spec"]["strategy"] == {"type": "Recreate"}
