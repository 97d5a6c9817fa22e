"""The whole lab, in the order in which a reading flows through it; or the machines that each make themselves one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # program and tests import the same infra.… modules

import pulumi
import pulumi_kubernetes as k8s

from infra import wiring
from infra.cloud.machines import Machines
from infra.services.apps import AppArgs, Canary, CanaryArgs, Fleet, Timeseries, bridges
from infra.services.camunda import Camunda, CamundaArgs
from infra.services.consumers import consumers
from infra.services.grafana import Grafana, GrafanaArgs
from infra.services.headlamp import Headlamp, HeadlampArgs
from infra.services.influxdb import InfluxDB, InfluxDBArgs
from infra.services.ingress import Ingress, IngressArgs
from infra.services.jupyter import Jupyter, JupyterArgs
from infra.services.kafka import Kafka, KafkaArgs
from infra.services.mosquitto import Mosquitto, MosquittoArgs
from infra.services.namespace import Namespace
from infra.services.node_red import NodeRed, NodeRedArgs
from infra.services.registry import Registry, RegistryArgs
from infra.services.shared_data import SharedData
from infra.settings import Settings

settings = Settings.load()
if settings.cloud:
    Machines("machines", settings)
else:
    cluster = k8s.Provider(
        "cluster", kubeconfig=settings.kubeconfig, enable_secret_mutable=True, enable_config_map_mutable=True
    )  # a renewed password changes its Secret in place, with either plugin
    lab = Namespace("lab", wiring.NAMESPACE, pulumi.ResourceOptions(providers=[cluster]))
    inside = pulumi.ResourceOptions(providers=[cluster], depends_on=[lab])
    data = SharedData("data", inside).volume if settings.shares_data else None
    app = AppArgs(settings.image("apps"), settings.scale, settings.rotation)

    if settings.has("mosquitto"):
        broker = MosquittoArgs(settings.image("mosquitto"), settings.scale, settings.rotation, settings.mqtt_hosts)
        mosquitto = Mosquitto("mosquitto", broker, inside)
    if settings.has("kafka"):
        kafka = Kafka("kafka", KafkaArgs(settings.image("kafka"), settings.scale), inside)
    if settings.has("influxdb"):
        influxdb = InfluxDB("influxdb", InfluxDBArgs(settings.image("influxdb"), settings.scale, settings.rotation), inside)
    if settings.has("camunda"):
        camunda = Camunda("camunda", CamundaArgs(settings.image("camunda"), settings.scale, settings.rotation), inside)
    worker = camunda.access("worker") if settings.has("camunda") else None

    if settings.has("fleet"):
        Fleet("fleet", app, devices=settings.fleet, writes=mosquitto.access("fleet"), opts=inside)
    if settings.has("bridge"):
        bridges("bridge", app, settings.routes, reads=mosquitto.access("bridge"), writes=kafka.access, opts=inside)
    if settings.has("node-red"):
        carries, starts, shows = settings.node_red_carries, settings.node_red_starts, wiring.dashboard_url(settings.chosen)
        drawn = NodeRedArgs(settings.image("node-red"), settings.scale, settings.rotation, carries, starts, shows)
        NodeRed("node-red", drawn, reads=mosquitto.access("node-red"), writes=kafka.access, starts=worker, opts=inside)
    if settings.has("timeseries"):
        Timeseries("timeseries", app, reads=kafka.access, writes=influxdb.access("timeseries"), opts=inside)
    if settings.has("kafka"):
        consumers(settings.chosen, app, kafka=kafka.access, data=data, camunda=worker, opts=inside)
    if settings.has("canary"):
        asks = {"mqtt": mosquitto.access("canary"), "kafka": kafka.access, "influxdb": influxdb.access("canary")}
        flown = CanaryArgs(app.image, app.scale, app.rotation, hops=settings.canary_hops)
        canary = Canary("canary", flown, **asks, opts=inside)

    if settings.has("jupyter"):
        engine = [camunda.access("admin")] if settings.has("camunda") else []
        speaks = [mosquitto.access("lab"), mosquitto.by_tls, kafka.access, influxdb.access("reader"), *engine]
        serves = JupyterArgs(settings.image("jupyter"), settings.image("apps"), settings.scale, settings.rotation)
        jupyter = Jupyter("jupyter", serves, speaks, data, inside)
    if settings.has("registry"):
        Registry("registry", RegistryArgs(settings.image("registry"), settings.scale, settings.rotation), jupyter.lessons, inside)
    if settings.has("headlamp"):
        Headlamp("headlamp", HeadlampArgs(settings.image("headlamp"), settings.scale), inside)

    if settings.has("grafana"):
        reader = influxdb.access("reader")
        Grafana("grafana", GrafanaArgs(settings.image("grafana"), settings.scale, settings.rotation), reader, inside)
    if settings.has("ingress"):
        behind = [
            *([canary.status] if settings.has("canary") else []),
            *([camunda.access("admin")] if settings.has("camunda") else []),
        ]
        way_in = IngressArgs(settings.image("ingress"), settings.scale, settings.rotation, settings.hosts)
        Ingress("ingress", way_in, behind, inside)
