{{/* The models, each under its file's name. */}}
{{- define "camunda.models" -}}
{{ (.Files.Glob "processes/*.bpmn").AsConfig }}
{{- end -}}

{{/* The user that the job deploys with. */}}
{{- define "camunda.deployer" -}}
{{- $found := "" }}
{{- range .Values.users }}{{ if eq .role "deployer" }}{{ $found = .name }}{{ end }}{{ end }}
{{- $found | required "users: the job that brings the models needs a user with the role deployer" }}
{{- end -}}
