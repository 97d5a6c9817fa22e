{{/*
Name of a ConfigMap that follows its content: the argument is a list of the context, the template that makes its data, and its name.
Objects of a chart are applied together: under a fixed name a pod could start with yesterday's settings and nobody would see it.
*/}}
{{- define "common.configName" -}}
{{ index . 2 }}-{{ include (index . 1) (first .) | sha256sum | trunc 8 }}
{{- end -}}

{{- define "common.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" (list (first .) (include "common.configName" .)) | nindent 2 }}
immutable: true
data:
  {{- include (index . 1) (first .) | trim | nindent 2 }}
{{- end -}}
