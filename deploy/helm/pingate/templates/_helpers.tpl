{{/* One installation in a namespace: a release that is called so bears the plain name. */}}
{{- define "pingate.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pingate.labels" -}}
app.kubernetes.io/name: pingate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Which pods: those that the Services of Gateways select, too. */}}
{{- define "pingate.selector" -}}
app.kubernetes.io/name: pingate
{{- end -}}

{{- define "pingate.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "pingate.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "pingate.subjects" -}}
- kind: ServiceAccount
  name: {{ include "pingate.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
