{{- define "outcry.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "outcry.labels" -}}
app.kubernetes.io/part-of: outcry
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "outcry.tracesHost" -}}
{{ .Values.tracing.host | default "jaegerlite" }}
{{- end }}

{{/* The engines by their own names, those of a shard with commas between: callers find out which of them leads. */}}
{{- define "outcry.engineUrls" -}}
{{- $engine := index .Values.services "matching-engine" -}}
{{- $shards := list -}}
{{- range $shard, $symbols := $engine.shards -}}
{{- $urls := list -}}
{{- range $number := until (int $engine.engines) -}}
{{- $urls = append $urls (printf "http://engine-%d-%d.matching-engine:%d" $shard $number (int $engine.port)) -}}
{{- end -}}
{{- $shards = append $shards (join "," $urls) -}}
{{- end -}}
{{ join ";" $shards }}
{{- end }}

{{/* The pod of one of our processes. Takes root, name, command, secret, port, environment, resources, liveness, readiness,
     indexed (its number in GATEWAY_NODE), more (labels), ports (others beside `port`, by name), data (a folder that stays) and job (it ends, and stands on nothing of this chart). */}}
{{- define "outcry.pod" -}}
metadata:
  labels:
    app: {{ .name }}
    {{- with .more }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "outcry.labels" .root | nindent 4 }}
  {{- if not .job }}
  annotations:
    checksum/addresses: {{ include (print .root.Template.BasePath "/addresses.yaml") .root | sha256sum }}
    {{- if .port }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .port | quote }}
    prometheus.io/path: /metrics
    {{- end }}
  {{- end }}
spec:
  {{- if not .job }}
  serviceAccountName: outcry
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 20
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector: {matchLabels: {app: {{ .name }}}}
  {{- if .job }}
  restartPolicy: OnFailure
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "outcry.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      envFrom:
        {{- if not .job }}
        - configMapRef: {name: outcry}
        {{- end }}
        {{- if .secret }}
        - secretRef: {name: {{ .root.Values.secretPrefix }}{{ .secret }}}
        {{- end }}
      {{- if or .environment .indexed }}
      env:
        {{- if .indexed }}
        - name: GATEWAY_NODE
          valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
        {{- end }}
        {{- range $key, $value := .environment }}
        - {name: {{ $key }}, value: {{ $value | quote }}}
        {{- end }}
      {{- end }}
      {{- if .port }}
      ports:
        - {name: http, containerPort: {{ .port }}}
        {{- range $name, $port := .ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      {{- end }}
      {{- if .readiness }}
      startupProbe:
        httpGet: {path: {{ .liveness }}, port: http}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: {{ .liveness }}, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: {{ .readiness }}, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      {{- end }}
      resources: {{ toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if .data }}
        - {name: data, mountPath: /data}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {}}
{{- end }}
