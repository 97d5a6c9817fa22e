{{/* The service that the pods are of: policies and people know them by it. */}}
{{- define "app.service" -}}
{{ .Values.memberOf | default .Release.Name }}
{{- end -}}

{{/* The labels that select this release's pods and no other's of the same service. */}}
{{- define "app.selector" -}}
{{ include "common.selector" (list . (include "app.service" .)) }}
{{- if .Values.memberOf }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end -}}
