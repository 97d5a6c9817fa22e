{{- define "influxdb.config" -}}
influxdb.conf: |
  reporting-disabled = true
  bind-address = "127.0.0.1:8088"

  [meta]
    dir = "/data/meta"

  [data]
    dir = "/data/data"
    wal-dir = "/data/wal"
    index-version = "tsi1"
    query-log-enabled = false
    cache-max-memory-size = {{ mul .Values.cacheMb 1048576 }}
    cache-snapshot-memory-size = {{ div (mul .Values.cacheMb 1048576) 4 }}
    max-concurrent-compactions = 1
    max-series-per-database = {{ int64 .Values.maxSeries }}
    max-values-per-tag = {{ int64 .Values.maxValuesPerTag }}

  [coordinator]
    write-timeout = "10s"
    query-timeout = "{{ .Values.queryTimeoutS }}s"
    max-concurrent-queries = {{ .Values.maxConcurrentQueries }}
    max-select-point = {{ int64 .Values.maxSelectPoints }}

  [retention]
    check-interval = "10m"

  [monitor]
    store-enabled = false

  [http]
    bind-address = ":8086"
    auth-enabled = true
    log-enabled = false
    max-body-size = {{ mul .Values.maxBodyMb 1048576 }}

  [logging]
    format = "logfmt"
    level = "info"
    suppress-logo = true
{{/* What influxdb-bootstrap makes true at each start, one statement a line. */ -}}
bootstrap: |
  admin {{ .Values.admin }}
  {{- range .Values.databases }}
  database {{ .name }} {{ .retentionH }}
  {{- end }}
  {{- range $user := .Values.users }}
  user {{ $user.name }}
  {{- range $database := $.Values.databases }}
  {{- $read := has $database.name $user.read }}
  {{- $write := has $database.name $user.write }}
  grant {{ $user.name }} {{ $database.name }} {{ and $read $write | ternary "ALL" ($write | ternary "WRITE" ($read | ternary "READ" "NONE")) }}
  {{- end }}
  {{- end }}
{{- end -}}
