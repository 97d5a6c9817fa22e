{{- define "grafana.sources" -}}
influxdb.yaml: |
  apiVersion: 1
  prune: true
  datasources:
    {{- range .Values.influxdb.databases }}
    - name: InfluxDB {{ .name }}
      uid: {{ .uid }}
      type: influxdb
      access: proxy
      url: http://{{ $.Values.influxdb.app }}:{{ $.Values.influxdb.port }}
      user: {{ $.Values.influxdb.user }}
      jsonData: {version: InfluxQL, dbName: {{ .name }}, httpMode: GET, timeInterval: 1s}
      secureJsonData: {password: "$__file{/run/secrets/influxdb/password}"}
      editable: false
    {{- end }}
{{- end -}}

{{- define "grafana.providers" -}}
iotlab.yaml: |
  apiVersion: 1
  providers:
    - name: iotlab
      folder: iotlab
      type: file
      disableDeletion: false
      allowUiUpdates: false
      updateIntervalSeconds: 3600
      options: {path: /etc/iotlab/dashboards}
{{- end -}}

{{- define "grafana.dashboards" -}}
{{- range $file, $text := .Values.dashboards }}
{{ $file }}: {{ $text | toJson }}
{{- end }}
{{- end -}}

{{/* Nobody comes in without the generated login, and nothing is asked of or told to anybody outside. */}}
{{- define "grafana.env" -}}
- {name: GF_SECURITY_ADMIN_USER, value: {{ .Values.admin }}}
- {name: GF_SECURITY_ADMIN_PASSWORD__FILE, value: /run/secrets/users/{{ .Values.admin }}}
- {name: GF_SECURITY_SECRET_KEY__FILE, value: /run/secrets/key/password}
- {name: GF_SECURITY_DISABLE_GRAVATAR, value: "true"}
- {name: GF_AUTH_ANONYMOUS_ENABLED, value: "false"}
- {name: GF_USERS_ALLOW_SIGN_UP, value: "false"}
- {name: GF_USERS_ALLOW_ORG_CREATE, value: "false"}
- {name: GF_ANALYTICS_REPORTING_ENABLED, value: "false"}
- {name: GF_ANALYTICS_CHECK_FOR_UPDATES, value: "false"}
- {name: GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES, value: "false"}
- {name: GF_ANALYTICS_FEEDBACK_LINKS_ENABLED, value: "false"}
- {name: GF_NEWS_NEWS_FEED_ENABLED, value: "false"}
- {name: GF_SNAPSHOTS_EXTERNAL_ENABLED, value: "false"}
- {name: GF_PLUGINS_PREINSTALL_DISABLED, value: "true"}
- {name: GF_PLUGINS_PLUGIN_ADMIN_ENABLED, value: "false"}
- {name: GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED, value: "true"}
- {name: GF_LOG_MODE, value: console}
{{- end -}}

{{/* What the server and whoever renews its password share. */}}
{{- define "grafana.state" -}}
- {name: data, mountPath: /var/lib/grafana}
- {name: tmp, mountPath: /tmp}
- {name: users, mountPath: /run/secrets/users, readOnly: true}
- {name: key, mountPath: /run/secrets/key, readOnly: true}
{{- end -}}
