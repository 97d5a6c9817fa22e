{{- define "ingress.config" -}}
traefik.yaml: |
  global:
    checkNewVersion: false
    sendAnonymousUsage: false
  log:
    level: ERROR  # at WARN it complains that the mounted folder shows dynamic.yaml twice
  entryPoints:
    ping:
      address: ":8080"
      http:
        aliasHeadersStrategy: delete
    https:
      address: ":8443"
      asDefault: true
      http:
        aliasHeadersStrategy: delete  # X_Forwarded_For would reach a WSGI backend as X-Forwarded-For
        tls: {}
      transport:
        lifeCycle:
          requestAcceptGraceTimeout: 5s  # until every kube-proxy has heard that this pod goes
          graceTimeOut: 10s
  ping:
    entryPoint: ping
  providers:
    kubernetesIngress:
      namespaces: [{{ .Release.Namespace }}]
      strictPrefixMatching: true
      allowEmptyServices: true  # a service that is down answers 503, not 404
      ingressEndpoint:
        hostname: {{ .Values.address }}
    file:
      directory: /run/traefik
dynamic.yaml: |
  tls:
    stores:
      default:
        defaultCertificate:
          certFile: /run/traefik/tls.crt
          keyFile: /run/traefik/tls.key
    options:
      default:
        minVersion: VersionTLS12
{{- end -}}
