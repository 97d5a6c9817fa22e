{{/* The label that selects a pod: the argument is the chart's context, or a list of it and another name. */}}
{{- define "common.selector" -}}
{{- if kindIs "slice" . -}}
app.kubernetes.io/name: {{ index . 1 }}
{{- else -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end -}}
{{- end -}}

{{- define "common.labels" -}}
{{- $root := . -}}
{{- if kindIs "slice" . }}{{ $root = first . }}{{ end -}}
{{ include "common.selector" . }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/part-of: iotlab
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{/* Name, namespace and labels of an object; with a list, the second element is its name. */}}
{{- define "common.metadata" -}}
{{- $root := . -}}
{{- $name := "" -}}
{{- if kindIs "slice" . }}{{ $root = first . }}{{ $name = index . 1 }}{{ else }}{{ $name = .Release.Name }}{{ end -}}
name: {{ $name }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "common.labels" $root | nindent 2 }}
{{- end -}}

{{/* Name and labels of an object that belongs to no namespace: the argument is a list of the context and the name. */}}
{{- define "common.clusterMetadata" -}}
name: {{ index . 1 }}
labels:
  {{- include "common.labels" (first .) | nindent 2 }}
{{- end -}}
