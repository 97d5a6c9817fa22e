# %% get
import time

import checks
import lab
import matplotlib.pyplot as plt

lessons, image = lab.setting("LESSON_NAMESPACE"), lab.setting("LESSON_IMAGE")
lab.kubectl("get pods")
lab.kubectl(f"get pods -n {lessons}")
# %% explain
lab.kubectl("explain pod.spec.containers.securityContext.readOnlyRootFilesystem")
# %% logs
lab.kubectl("logs deployment/bridge --tail=5")
# %% apply
hello = f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: hello
  namespace: {lessons}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: hello}}
  template:
    metadata:
      labels: {{app: hello}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      securityContext:
        runAsNonRoot: true
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: hello
          image: {image}
          command: [python, -m, http.server, "8000", --directory, /etc]
          readinessProbe: {{tcpSocket: {{port: 8000}}, periodSeconds: 1}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
"""
lab.kubectl("apply -f -", stdin=hello)
lab.kubectl(f"rollout status deployment/hello -n {lessons} --timeout=60s")
# %% exec
lab.kubectl(f"exec deployment/hello -n {lessons} -- python -c 'import os; print(os.getuid(), os.listdir(\"/etc\")[:3])'")
# %% scale
lab.kubectl(f"scale deployment/hello --replicas=3 -n {lessons}")
lab.kubectl(f"rollout status deployment/hello -n {lessons} --timeout=60s")
lab.kubectl(f"get pods -n {lessons} -o wide")
# %% heal
ready_now = f"get deployment/hello -n {lessons} -o jsonpath={{.status.readyReplicas}}"
victim = lab.ask(f"get pods -n {lessons} -l app=hello -o jsonpath={{.items[0].metadata.name}}")
seen = []
start = time.monotonic()
lab.kubectl(f"delete pod {victim} -n {lessons} --wait=false")
while time.monotonic() < start + 20:
    seen.append((time.monotonic() - start, int(lab.ask(ready_now) or 0)))
    time.sleep(0.2)
print("at the least", min(count for _, count in seen), "ready, at the end", seen[-1][1])

# %% plot
figure, axes = plt.subplots(figsize=(8, 3))
axes.step([moment for moment, _ in seen], [count for _, count in seen], where="post")
axes.set(xlabel="seconds after the pod was deleted", ylabel="ready pods", ylim=(0, 3.5), title="Self-healing")
lab.save(figure, "kubernetes-self-healing")

# %% forbidden
lab.kubectl("get secrets")
# %% by-hand [exercise]
by_hand = f"""
apiVersion: v1
kind: Pod
metadata:
  name: by-hand
  namespace: {lessons}
"""

# %% by-hand-check [check]
checks.pod(by_hand)

# %% by-hand-run
if "containers" in by_hand:
    lab.kubectl("apply -f -", stdin=by_hand)
    lab.wait(lambda: "Succeeded" in lab.ask(f"get pod by-hand -n {lessons} -o jsonpath={{.status.phase}}"), 60)
    lab.kubectl(f"logs by-hand -n {lessons}")

# %% tidy
lab.kubectl(f"delete deployment/hello pod/by-hand -n {lessons} --ignore-not-found")
