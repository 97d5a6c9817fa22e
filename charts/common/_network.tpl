{{/* Peers by the name of their app, inside this namespace. */}}
{{- define "common.peers" -}}
{{- range . }}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ . }}
{{- end }}
{{- end -}}

{{/* Name resolution: any pod that may leave needs it. */}}
{{- define "common.dns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}
