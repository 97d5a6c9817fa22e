"""The job that brings the models: a new one for each change of them, and with one password only."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from tests.support.charts import CHARTS, EVERYTHING, Object, helm, rendered


def _job(objects: list[Object]) -> Object:
    (found,) = (each for each in objects if each["kind"] == "Job")
    return found


def test_a_changed_model_makes_a_new_job_and_the_same_ones_make_none(tmp_path: Path) -> None:
    names = []
    chart = tmp_path / "camunda"
    shutil.copytree(CHARTS / "camunda", chart)
    for word in ("Inspect device", "Inspect device", "Look at device"):
        model = chart / "processes/Maintenance.bpmn"
        model.write_text(model.read_text().replace("Inspect device", word))
        done = helm("template", "camunda", str(chart), values=EVERYTHING["camunda"])
        names.append(_job([each for each in yaml.safe_load_all(done.stdout) if each])["metadata"]["name"])
    assert names[0] == names[1] != names[2]


def test_every_model_of_the_folder_reaches_the_job_unchanged() -> None:
    objects = rendered("camunda-everything")
    (models,) = (each["data"] for each in objects if each["kind"] == "ConfigMap")
    assert models == {file.name: file.read_text() for file in (CHARTS / "camunda/processes").glob("*.bpmn")}
    mounted = [
        volume["configMap"]["name"] for volume in _job(objects)["spec"]["template"]["spec"]["volumes"] if "configMap" in volume
    ]
    assert mounted == [each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"]


def test_the_job_sees_the_deployers_password_alone_and_gives_up_at_a_model_that_does_not_parse() -> None:
    spec = _job(rendered("camunda-everything"))["spec"]
    (secret,) = (volume["secret"] for volume in spec["template"]["spec"]["volumes"] if "secret" in volume)
    assert secret["items"] == [{"key": "d", "path": "d"}]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [2])
