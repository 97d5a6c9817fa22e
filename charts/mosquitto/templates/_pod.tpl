{{/* A shard's container port by name: the Service tells the shards apart by it. The argument is its number. */}}
{{- define "mosquitto.mqtt" -}}
mqtt{{ if . }}-{{ . }}{{ end }}
{{- end -}}

{{- define "mosquitto.mqtts" -}}
mqtts{{ if . }}-{{ . }}{{ end }}
{{- end -}}

{{/* The pod of a shard: the argument is a list of the context and the shard's number. */}}
{{- define "mosquitto.pod" -}}
{{- $shard := index . 1 -}}
{{- with first . -}}
{{ include "common.pod" . }}
terminationGracePeriodSeconds: 60
initContainers:
  - name: passwords
    {{- include "common.container" . | nindent 4 }}
    {{- include "common.resources" .Values.resources | nindent 4 }}
    command: [mosquitto-passwords, /run/secrets/users, /run/mosquitto]
    volumeMounts:
      - {name: users, mountPath: /run/secrets/users, readOnly: true}
      - {name: run, mountPath: /run/mosquitto}
      - {name: scratch, mountPath: /tmp}  # mosquitto_passwd makes its temporary file there: in memory, never on a disk
containers:
  - name: mosquitto
    {{- include "common.container" . | nindent 4 }}
    {{- include "common.resources" .Values.resources | nindent 4 }}
    command: [{{ if .Values.tlsSecret }}mosquitto-serve, /run/secrets/tls/tls.crt, {{ end }}mosquitto, -c, /etc/mosquitto/mosquitto.conf]
    ports:
      - {name: {{ include "mosquitto.mqtt" $shard }}, containerPort: 1883}
      {{- if .Values.tlsSecret }}
      - {name: {{ include "mosquitto.mqtts" $shard }}, containerPort: 8883}
      {{- end }}
    env:
      - {name: XDG_CONFIG_HOME, value: /run/mosquitto}  # mosquitto_sub reads the probe's login from there
    {{- $alive := printf "exec: {command: %s}, timeoutSeconds: 5" (list "mosquitto_sub" "-h" "127.0.0.1" "-t" "$SYS/broker/uptime" "-C" "1" "-W" "4" | toJson) }}
    startupProbe: { {{- $alive }}, periodSeconds: 1, failureThreshold: 300}
    readinessProbe: { {{- $alive }}, periodSeconds: 10, failureThreshold: 3}
    livenessProbe: { {{- $alive }}, periodSeconds: 20, failureThreshold: 6}
    volumeMounts:
      - {name: config, mountPath: /etc/mosquitto, readOnly: true}
      - {name: run, mountPath: /run/mosquitto, readOnly: true}
      - {name: data, mountPath: /data}
      {{- if .Values.tlsSecret }}
      - {name: tls, mountPath: /run/secrets/tls, readOnly: true}
      {{- end }}
volumes:
  - name: config
    configMap: {name: {{ include "common.configName" (list . "mosquitto.config" .Release.Name) }}}
  - name: users
    secret: {secretName: {{ .Values.existingSecret }}, defaultMode: 0440}
  - name: run
    emptyDir: {medium: Memory, sizeLimit: 8Mi}
  - name: scratch
    emptyDir: {medium: Memory, sizeLimit: 8Mi}
  {{- if .Values.tlsSecret }}
  - name: tls
    secret: {secretName: {{ .Values.tlsSecret }}, defaultMode: 0440}
  {{- end }}
{{- end -}}
{{- end -}}
