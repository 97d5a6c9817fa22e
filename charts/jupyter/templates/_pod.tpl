{{/* What the server and the kernels read from their environment. */}}
{{- define "jupyter.env" -}}
- {name: HOME, value: /home/lab}
- {name: LAB_TOKEN_FILE, value: {{ print "/run/secrets/jupyter-token/" .Values.user }}}
- {name: LAB_ADDRESS, value: 0.0.0.0}
- {name: LAB_PORT, value: "8888"}
- {name: LAB_HOSTS, value: {{ join "," .Values.hosts | quote }}}
- {name: LESSON_NAMESPACE, value: {{ .Values.lessons.namespace }}}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "jupyter.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
- name: token
  secret:
    secretName: {{ .Values.existingSecret }}
    defaultMode: 0440
    items: [{key: {{ .Values.user }}, path: {{ .Values.user }}}]
{{- with .Values.dataClaim }}
- name: data
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- range .Values.secrets }}
- name: {{ . }}
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/* Name, namespace and labels of an object in the namespace of the lessons: the argument is a list of the context and the name. */}}
{{- define "jupyter.lessonMetadata" -}}
{{- include "common.clusterMetadata" . }}
namespace: {{ (first .).Values.lessons.namespace }}
{{- end -}}
