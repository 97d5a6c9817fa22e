{{/* What every pod says: the profile `restricted`, no API token, no service variables (influxd and librdkafka would read them). */}}
{{- define "common.pod" -}}
automountServiceAccountToken: false
{{ include "common.confined" . }}
{{- end -}}

{{/* The same for the few that speak to the Kubernetes API and say so themselves. */}}
{{- define "common.confined" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* What every container says: image by digest, nothing pulled behind our back, no privilege, read-only root. */}}
{{- define "common.container" -}}
image: {{ .Values.image }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* No CPU limit: throttling adds latency to everybody in the flow, while requests already share the cores fairly. */}}
{{- define "common.resources" -}}
resources:
  requests:
    cpu: {{ .cpuRequestM }}m
    memory: {{ .requestMb }}Mi
  limits:
    memory: {{ .limitMb }}Mi
{{- end -}}
