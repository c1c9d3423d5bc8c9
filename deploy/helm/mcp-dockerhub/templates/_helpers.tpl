{{- define "mcp.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "mcp.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mcp.labels" -}}
{{ include "mcp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "mcp.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "mcp.name" .) }}{{ else }}{{ required "serviceAccount.name is needed where none is created" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "mcp.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "mcp.publicHost" -}}
{{- (urlParse (required "server.publicUrl is needed: tokens must name this server" .Values.server.publicUrl)).host -}}
{{- end }}

{{/* What would start and then not do what was asked for. */}}
{{- define "mcp.check" -}}
{{- $_ := required "server.issuer is needed to check access tokens" .Values.server.issuer }}
{{- $replicas := .Values.autoscaling.enabled | ternary (int .Values.autoscaling.maxReplicas) (int .Values.replicaCount) }}
{{- if and (gt $replicas 1) (not .Values.redis.existingSecret) }}
{{- fail "redis.existingSecret is needed for more than one replica: limits, consents and audit heads are shared there" }}
{{- end }}
{{- if and (ne .Values.audit.file "-") (not .Values.audit.persistence.enabled) }}
{{- fail "audit.persistence.enabled is needed for an audit file: the root is read-only" }}
{{- end }}
{{- if and (ne .Values.audit.file "-") (gt $replicas 1) }}
{{- fail "an audit file belongs to one replica: use - (standard error), or one replica" }}
{{- end }}
{{- if and .Values.server.readOnly .Values.server.allowWrites }}
{{- fail "server.readOnly and server.allowWrites contradict each other" }}
{{- end }}
{{- range $name, $_ := .Values.server.settings }}
{{- if regexMatch "(TOKEN|PASSWORD|SECRET|REDIS_URL|REGISTRIES|STATE_KEYS|AUDIT_KEY)$" $name }}
{{- fail (printf "server.settings.%s is a secret: put it into files.existingSecret and name it with %s_FILE" $name $name) }}
{{- end }}
{{- end }}
{{- end }}
