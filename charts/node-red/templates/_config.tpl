{{- define "node-red.config" -}}
lab.json: {{ pick .Values "admin" "carrier" "kafka" "topics" "deadLetterTopic" "edge" "logins" | toJson | quote }}
flows.json: {{ .Values.flows | toJson | quote }}
{{- end -}}

{{/* The same for provisioning and for Node-RED itself: both read settings and Secrets, and write the volume. */}}
{{- define "node-red.mounts" -}}
- {name: config, mountPath: /etc/node-red, readOnly: true}
- {name: users, mountPath: /run/secrets/users, readOnly: true}
- {name: key, mountPath: /run/secrets/key, readOnly: true}
{{- range .Values.logins }}
- {name: {{ .secret }}, mountPath: /run/secrets/{{ .secret }}, readOnly: true}
{{- end }}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- end -}}
