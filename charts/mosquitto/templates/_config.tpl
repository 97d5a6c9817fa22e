{{- define "mosquitto.config" -}}
mosquitto.conf: |
  per_listener_settings false
  allow_anonymous false
  password_file /run/mosquitto/passwords
  acl_file /etc/mosquitto/acl

  listener 1883
  max_connections {{ int64 .Values.maxConnections }}
  {{- if .Values.tlsSecret }}

  listener 8883
  max_connections {{ int64 .Values.maxConnections }}
  certfile /run/secrets/tls/tls.crt
  keyfile /run/secrets/tls/tls.key
  tls_version tlsv1.2
  ciphers ECDHE+AESGCM:ECDHE+CHACHA20
  {{- end }}

  persistence true
  persistence_location /data/
  autosave_interval {{ .Values.autosaveS }}
  persistent_client_expiration {{ .Values.sessionExpirationD }}d

  max_inflight_messages {{ int64 .Values.maxInflightMessages }}
  max_queued_messages {{ int64 .Values.maxQueuedMessages }}
  max_inflight_bytes {{ mul .Values.resources.limitMb 131072 }}
  max_queued_bytes {{ mul .Values.resources.limitMb 393216 }}
  max_packet_size {{ int64 .Values.maxPacketBytes }}
  max_keepalive {{ int64 .Values.maxKeepaliveS }}
  memory_limit {{ mul .Values.resources.limitMb 838860 }}

  set_tcp_nodelay true
  sys_interval 10
  log_dest stdout
  log_type error
  log_type warning
  log_type notice
  connection_messages {{ .Values.logConnections }}
  log_timestamp_format %Y-%m-%dT%H:%M:%SZ
acl: |
  user healthcheck
  topic read $SYS/broker/uptime
  {{- range .Values.users }}

  user {{ .name }}
  {{- range .access }}
  topic {{ . }}
  {{- end }}
  {{- end }}
  {{- range .Values.patterns }}
  pattern {{ . }}
  {{- end }}
{{- end -}}
