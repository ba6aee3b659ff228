package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

var folder = filepath.Join("..", "..", "..", "examples", "deploy")

// shutdownTime is how long the service waits for requests in flight, after DRAIN_DELAY.
const shutdownTime = 10 * time.Second

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(data)
}

// meta are the fields that all objects have, for the types of the Prometheus operator.
type meta struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
}

type labelSelector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// serviceMonitor has the fields of monitoring.coreos.com/v1 that the manifest uses.
type serviceMonitor struct {
	meta
	Spec struct {
		Selector  labelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// prometheusRule has the fields of monitoring.coreos.com/v1.
type prometheusRule struct {
	meta
	Spec ruleFile `json:"spec"`
}

type ruleFile struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

func decode[T any](t *testing.T, document string) T {
	t.Helper()
	var object T
	require.NoError(t, yaml.UnmarshalStrict([]byte(document), &object))
	return object
}

// kubernetes returns the documents of kubernetes.yaml by kind.
func kubernetes(t *testing.T) map[string]string {
	t.Helper()
	documents := map[string]string{}
	for _, document := range strings.Split(read(t, folder, "kubernetes.yaml"), "\n---\n") {
		kind := regexp.MustCompile(`(?m)^kind: (\w+)$`).FindStringSubmatch(document)
		require.NotNil(t, kind, document)
		documents[kind[1]] = document
	}
	require.Len(t, documents, 4)
	return documents
}

func TestKubernetes(t *testing.T) {
	documents := kubernetes(t)
	deployment := decode[appsv1.Deployment](t, documents["Deployment"])
	service := decode[corev1.Service](t, documents["Service"])
	budget := decode[policyv1.PodDisruptionBudget](t, documents["PodDisruptionBudget"])
	monitor := decode[serviceMonitor](t, documents["ServiceMonitor"])

	pod := deployment.Spec.Template
	labels := pod.Labels
	assert.Equal(t, labels, deployment.Spec.Selector.MatchLabels)
	assert.Equal(t, labels, service.Spec.Selector)
	assert.Equal(t, labels, budget.Spec.Selector.MatchLabels)
	assert.Equal(t, service.Labels, monitor.Spec.Selector.MatchLabels)
	assert.Equal(t, service.Spec.Ports[0].Name, monitor.Spec.Endpoints[0].Port)
	assert.Contains(t, service.Name, "toloka", "the alert TolokaMetricsMissing looks for this in the job")

	container := pod.Spec.Containers[0]
	assert.Equal(t, "/startupz", container.StartupProbe.HTTPGet.Path)
	assert.Equal(t, "/readyz", container.ReadinessProbe.HTTPGet.Path)
	assert.Equal(t, "/livez", container.LivenessProbe.HTTPGet.Path)
	for _, c := range append(pod.Spec.InitContainers, container) {
		require.Len(t, c.VolumeMounts, 1)
		assert.Empty(t, c.VolumeMounts[0].SubPath, "a subPath is never updated")
		file := variable(c.Env, "TOLOKA_TOKEN_FILE")
		assert.True(t, strings.HasPrefix(file, c.VolumeMounts[0].MountPath+"/"), file)
		assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	}

	drain, err := time.ParseDuration(variable(container.Env, "DRAIN_DELAY"))
	require.NoError(t, err)
	probe := container.ReadinessProbe
	notice := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second
	assert.GreaterOrEqual(t, drain, notice, "the drain ends before the kubelet notices")
	needed := time.Duration(container.Lifecycle.PreStop.Sleep.Seconds)*time.Second + drain + shutdownTime
	assert.Greater(t, time.Duration(*pod.Spec.TerminationGracePeriodSeconds)*time.Second, needed)
}

func variable(env []corev1.EnvVar, name string) string {
	for _, v := range env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

func TestPrometheusRule(t *testing.T) {
	rule := decode[prometheusRule](t, read(t, folder, "prometheusrule.yaml"))
	alerts := decode[ruleFile](t, read(t, folder, "..", "monitoring", "alerts.yml"))
	assert.Equal(t, "monitoring.coreos.com/v1 PrometheusRule", rule.APIVersion+" "+rule.Kind)
	assert.Equal(t, alerts, rule.Spec)
}

func TestStrict(t *testing.T) {
	misspelt := strings.Replace(kubernetes(t)["Deployment"], "readinessProbe:", "readinesProbe:", 1)
	assert.ErrorContains(t, yaml.UnmarshalStrict([]byte(misspelt), &appsv1.Deployment{}), "readinesProbe")
}

func TestSystemd(t *testing.T) {
	unit := read(t, folder, "toloka-service.service")
	setting := func(name string) string {
		match := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindStringSubmatch(unit)
		require.NotNil(t, match, name)
		return match[1]
	}
	assert.True(t, strings.HasPrefix(setting("LoadCredential"), "toloka-token:"),
		"the name that credentials.Default reads")
	drain := regexp.MustCompile(`DRAIN_DELAY=(\S+)`).FindStringSubmatch(setting("Environment"))
	require.NotNil(t, drain)
	assert.Greater(t, duration(t, setting("TimeoutStopSec")+"s"), duration(t, drain[1])+shutdownTime)

	// systemd-analyze wants the program to be there.
	verify := func(text string) (string, error) {
		path := filepath.Join(t.TempDir(), "toloka-service.service")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		out, err := exec.CommandContext(t.Context(), process.Find(t, "systemd-analyze"),
			"verify", "--man=no", path).CombinedOutput()
		return string(out), err
	}
	program, err := os.Executable()
	require.NoError(t, err)
	unit = strings.Replace(unit, "/usr/local/bin/monitoring", program, 1)
	out, err := verify(unit)
	require.NoError(t, err, out)
	assert.Empty(t, out)
	out, _ = verify(strings.Replace(unit, "LoadCredential", "LoadCredentail", 1))
	assert.Contains(t, out, "LoadCredentail", "a misspelt setting is reported")
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

func TestCompose(t *testing.T) {
	load := func(path string) (drain, grace time.Duration, err error) {
		options, err := cli.NewProjectOptions([]string{path}, cli.WithName("test"))
		require.NoError(t, err)
		project, err := options.LoadProject(t.Context())
		if err != nil {
			return 0, 0, err
		}
		service := project.Services["toloka-service"]
		require.Len(t, service.Secrets, 1)
		assert.Equal(t, "toloka-token", service.Secrets[0].Source, "the name that credentials.Default reads")
		return duration(t, *service.Environment["DRAIN_DELAY"]), time.Duration(*service.StopGracePeriod), nil
	}
	path := filepath.Join(folder, "compose.yaml")
	drain, grace, err := load(path)
	require.NoError(t, err)
	assert.Greater(t, grace, drain+shutdownTime)

	misspelt := filepath.Join(t.TempDir(), "compose.yaml")
	text := strings.Replace(read(t, path), "stop_grace_period", "stop_grace_peroid", 1)
	require.NoError(t, os.WriteFile(misspelt, []byte(text), 0o600))
	_, _, err = load(misspelt)
	assert.ErrorContains(t, err, "stop_grace_peroid")
}
