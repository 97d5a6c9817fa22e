{{- define "kafka.config" -}}
{{- $quorum := min 3 (int .Values.replicas) }}
{{- $insync := min 2 $quorum }}
# node.id and advertised.listeners differ from pod to pod: kafka-start adds them
server.properties: |
  process.roles=broker,controller
  controller.listener.names=CONTROLLER
  controller.quorum.voters=
    {{- range $i := until (int .Values.replicas) }}{{ if $i }},{{ end }}{{ $i }}@{{ $.Release.Name }}-{{ $i }}.{{ $.Release.Name }}-nodes.{{ $.Release.Namespace }}.svc:9093{{ end }}
  listeners=PLAINTEXT://:9092,CONTROLLER://:9093
  listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
  log.dirs=/data/kafka

  auto.create.topics.enable=false
  delete.topic.enable=true
  default.replication.factor={{ $quorum }}
  min.insync.replicas={{ $insync }}
  offsets.topic.replication.factor={{ $quorum }}
  offsets.topic.num.partitions={{ .Values.offsetsPartitions }}
  transaction.state.log.replication.factor={{ $quorum }}
  transaction.state.log.min.isr={{ $insync }}
  transaction.state.log.num.partitions={{ .Values.offsetsPartitions }}
  share.coordinator.state.topic.replication.factor={{ $quorum }}
  share.coordinator.state.topic.min.isr={{ $insync }}
  unclean.leader.election.enable=false

  message.max.bytes={{ int64 .Values.maxMessageBytes }}
  log.retention.ms=-1
  log.retention.check.interval.ms=30000
  group.initial.rebalance.delay.ms=500
  num.network.threads={{ .Values.networkThreads }}
  num.io.threads={{ .Values.ioThreads }}
  controlled.shutdown.enable=true
{{- end -}}

{{/* The job's input: one topic a line with its partitions, copies and settings. */}}
{{- define "kafka.topics" -}}
{{- $quorum := min 3 (int .Values.replicas) }}
topics: |
  {{- range .Values.topics }}
  {{ .name }} {{ .partitions }} {{ $quorum }} retention.ms=-1 retention.bytes={{ int64 .retentionBytes }} segment.bytes={{ max 1048576 (min 1073741824 (div (int64 .retentionBytes) 4)) }}
  {{- end }}
{{- end -}}
