{{- define "registry.config" -}}
config.yml: |
  version: 0.1
  log:
    accesslog: {disabled: true}
    level: info
    formatter: json
  storage:
    filesystem: {rootdirectory: /data}
    delete: {enabled: true}
    maintenance:
      uploadpurging: {enabled: true, age: 24h, interval: 1h, dryrun: false}
  http:
    addr: :5000
    headers: {X-Content-Type-Options: [nosniff]}
  auth:
    htpasswd: {realm: iotlab, path: /run/registry/htpasswd}
  health:
    storagedriver: {enabled: true, interval: 10s, threshold: 3}
{{- end -}}
