# %% engine
import time

import checks
import lab
import matplotlib.pyplot as plt
import pandas as pd

print("the engine answers, version", lab.camunda("/version")["version"])

# %% model
PROCESS = "NotebookRepair"
MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
             xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
             xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
             xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"
             xmlns:di="http://www.omg.org/spec/DD/20100524/DI"
             targetNamespace="iotlab">
  <process id="NotebookRepair" name="Repair from the notebook" isExecutable="true" camunda:historyTimeToLive="P7D">
    <startEvent id="reported"/>
    <sequenceFlow id="first" sourceRef="reported" targetRef="look"/>
    <userTask id="look" name="Look at the machine"/>
    <sequenceFlow id="second" sourceRef="look" targetRef="done"/>
    <endEvent id="done"/>
  </process>
  <bpmndi:BPMNDiagram id="diagram">
    <bpmndi:BPMNPlane id="plane" bpmnElement="NotebookRepair">
      <bpmndi:BPMNShape id="s1" bpmnElement="reported"><dc:Bounds x="100" y="100" width="36" height="36"/></bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="s2" bpmnElement="look"><dc:Bounds x="190" y="78" width="100" height="80"/></bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="s3" bpmnElement="done"><dc:Bounds x="344" y="100" width="36" height="36"/></bpmndi:BPMNShape>
      <bpmndi:BPMNEdge id="e1" bpmnElement="first"><di:waypoint x="136" y="118"/><di:waypoint x="190" y="118"/></bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="e2" bpmnElement="second"><di:waypoint x="290" y="118"/><di:waypoint x="344" y="118"/></bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</definitions>
"""
published = lab.deploy("notebook", "repair.bpmn", MODEL)
print("deployment", published["id"])

# %% run
machine = {"variables": {"device": {"value": "board-1", "type": "String"}}}
instance = lab.camunda(f"/process-definition/key/{PROCESS}/start", machine)["id"]
(task,) = lab.camunda(f"/task?processInstanceId={instance}")
print("waits at:", task["name"])

# %% work
time.sleep(2)  # a person takes a while
lab.camunda(f"/task/{task['id']}/complete", {"variables": {"cause": {"value": "dust", "type": "String"}}})
print("open tasks:", len(lab.camunda(f"/task?processInstanceId={instance}")))

# %% history
steps = pd.DataFrame(lab.camunda(f"/history/activity-instance?processInstanceId={instance}&sortBy=startTime&sortOrder=asc"))
begin = pd.to_datetime(steps["startTime"])
seconds = steps["durationInMillis"] / 1000
figure, axes = plt.subplots(figsize=(8, 3))
axes.barh(steps["activityId"], seconds.clip(lower=0.01), left=(begin - begin.min()).dt.total_seconds())
axes.invert_yaxis()
axes.set(xlabel="seconds", title=f"One instance of {PROCESS}")
lab.save(figure, "bpmn-history")

# %% start [exercise]
body = {"variables": {}}  # change this

# %% start-check [check]
checks.start(body)

# %% start-run
if body["variables"]:
    started = lab.camunda("/process-definition/key/RechnungStep3/start", body)
    for task in lab.camunda(f"/task?processInstanceId={started['id']}"):
        print("waits at:", task["name"])
