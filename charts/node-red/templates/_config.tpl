{{- define "node-red.config" -}}
lab.json: {{ pick .Values "admin" "carrier" "kafka" "topics" "deadLetterTopic" "edge" "logins" | toJson | quote }}
flows.json: {{ .Values.flows | toJson | quote }}
{{- end -}}
