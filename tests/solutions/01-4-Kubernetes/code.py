# %% by-hand
by_hand = f"""
apiVersion: v1
kind: Pod
metadata:
  name: by-hand
  namespace: {lessons}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: by-hand
      image: {image}
      command: [python, -c, "print('made by hand')"]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {{drop: [ALL]}}
"""
