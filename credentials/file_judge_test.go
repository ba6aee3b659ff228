//go:build unix

package credentials_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/secretfile"
)

func TestFilePermissions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mode   os.FileMode
		access string // of other users; "" is none
	}{
		{"owner", 0o600, ""},
		{"owner, read-only", 0o400, ""},
		{"group may read, as with fsGroup", 0o440, ""},
		{"group may read", 0o640, ""},
		{"group may write", 0o660, ""},
		{"others may execute", 0o711, ""},
		{"others may read", 0o604, "read"},
		{"everyone may read", 0o644, "read"},
		{"others may write", 0o602, "change"},
		{"everyone may read and write", 0o666, "read and change"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newSecretFile(t, apiKey)
			require.NoError(t, os.Chmod(f.path, tt.mode))
			problem := fmt.Sprintf("mode %04o lets every user %s the token: run chmod o= on it", tt.mode,
				tt.access)

			p := credentials.File(f.path)
			assert.Empty(t, warnings(p))
			for range 3 {
				wantValue(t, p, apiKey)
				wantPoll(t, p, false, parse(t, apiKey))
			}
			strict := credentials.File(f.path, credentials.RefuseInsecurePermissions())
			_, err := strict.Token(t.Context())
			assert.Empty(t, warnings(strict))
			if tt.access == "" {
				assert.Empty(t, warnings(p))
				require.NoError(t, err)
				return
			}
			assert.Equal(t, []string{"file:" + f.path + ": " + problem}, warnings(p))
			wantFileError(t, err, f.path, problem, credentials.ErrInvalid, nil)
			require.NoError(t, os.Chmod(f.path, 0o600))
			wantPoll(t, strict, true)
			wantValue(t, strict, apiKey)
			wantValue(t, p, apiKey)
			assert.Empty(t, warnings(p))
		})
	}

	t.Run("mode changed later", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		p := credentials.File(f.path)
		strict := credentials.File(f.path, credentials.RefuseInsecurePermissions())
		wantValue(t, p, apiKey)
		wantValue(t, strict, apiKey)
		require.NoError(t, os.Chmod(f.path, 0o644))
		wantPoll(t, p, false, parse(t, apiKey))
		assert.Len(t, warnings(p), 1)
		_, err := poll(t, strict, nil)
		wantFileError(t, err, f.path, "mode 0644 lets every user read the token: run chmod o= on it",
			credentials.ErrInvalid, nil)
	})

	t.Run("read permission removed and restored", func(t *testing.T) {
		f := newSecretFile(t, apiKey)
		denied := false
		p := credentials.FileWithOpen(f.path, func(path string) (*os.File, error) {
			if denied { // the superuser can read everything, so the error is simulated
				return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EACCES}
			}
			return secretfile.Open(path)
		})
		wantValue(t, p, apiKey)
		denied = true
		_, err := p.Token(t.Context())
		wantFileError(t, err, f.path, "permission denied: let the user of this process read it",
			credentials.ErrInvalid, os.ErrPermission)
		denied = false
		wantPoll(t, p, true)
		wantValue(t, p, apiKey)
	})
}

func TestPermissionAdvice(t *testing.T) {
	info, err := os.Stat(worldReadable(t))
	require.NoError(t, err)
	const problem = "mode 0644 lets every user read the token: "
	owner := os.Geteuid()
	foreign := fmt.Sprintf("have its owner, user %d, give it to a group of this process "+
		"and run chmod o= on it", owner)
	readOnly := "its mount is read-only, so set the mode where the file is made (Kubernetes: defaultMode: 0440)"
	assert.Equal(t, problem+"run chmod o= on it", credentials.PermissionProblem(info, owner, false))
	assert.Equal(t, problem+"run chmod o= on it", credentials.PermissionProblem(info, 0, false))
	assert.Equal(t, problem+foreign, credentials.PermissionProblem(info, owner+1, false))
	assert.Equal(t, problem+readOnly, credentials.PermissionProblem(info, owner+1, true))
}

func TestFilePermissionsInSecretMounts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		path   func(t *testing.T) string
		exempt bool
	}{
		{"Kubernetes", func(t *testing.T) string { return newKubernetes(t, apiKey).path() }, true},
		{"link into a Kubernetes mount",
			func(t *testing.T) string { return link(t, newKubernetes(t, apiKey).path()) }, true},
		{"systemd", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			return path
		}, true},
		{"link into systemd's directory", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			return link(t, path)
		}, true},
		{"relative path in systemd's directory", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
			t.Chdir(filepath.Dir(path))
			return filepath.Base(path)
		}, true},
		{"link to systemd's directory", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", link(t, filepath.Dir(path)))
			return path
		}, true},
		{"outside of systemd's directory", func(t *testing.T) string {
			path := worldReadable(t)
			t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(filepath.Dir(path), "toloka"))
			return path
		}, false},
		{"directory with a file called ..data", func(t *testing.T) string {
			path := worldReadable(t)
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "..data"), nil, 0o600))
			return path
		}, false},
		{"elsewhere", worldReadable, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path(t)
			p := credentials.File(path)
			wantValue(t, p, apiKey)
			assert.Equal(t, tt.exempt, len(warnings(p)) == 0, "%q", warnings(p))
			_, err := credentials.File(path, credentials.RefuseInsecurePermissions()).Token(t.Context())
			assert.Equal(t, tt.exempt, err == nil, "%v", err)
		})
	}

	for path, want := range map[string]bool{
		"/run/secrets/toloka-token":                           true,
		"/var/run/secrets/toloka/token":                       true,
		"/var/run/secrets/kubernetes.io/serviceaccount/token": true,
		"/run/secretsx/token":                                 false,
		"/run/secrets/../token":                               false,
		"/etc/toloka/token":                                   false,
	} {
		t.Run(path, func(t *testing.T) { assert.Equal(t, want, credentials.InSecretMount(path)) })
	}
}

// mountinfo is what a container with several kinds of mounts sees in /proc/self/mountinfo.
const mountinfo = `621 486 0:52 / / rw,relatime master:229 - overlay overlay rw,lowerdir=/x
630 621 0:61 / /etc/secret ro,relatime - tmpfs tmpfs rw,size=64k
631 621 0:62 /..2026_01_02_03_04_05.1234567/token /etc/subpath/token ro,relatime - tmpfs tmpfs rw
632 621 8:1 /var/lib/pods/0/volumes/x/..2026_01_02_03_04_05.1/token /etc/my\040token ro - ext4 /dev/x rw
633 621 8:1 /var/lib/kubelet/pods/0/volume-subpaths/x/app/0 /etc/sub ro - ext4 /dev/sda1 rw
634 621 8:1 /home/me/token /etc/bind rw - ext4 /dev/sda1 rw
635 621 8:1 /home/me/other /etc/twice rw - ext4 /dev/sda1 rw
636 635 0:62 /..2026_01_02_03_04_05.1234567/token /etc/twice ro - tmpfs tmpfs rw
broken line
`

func TestFindMount(t *testing.T) {
	for path, want := range map[string]any{
		"/etc/secret/token":  credentials.NotMounted,
		"/etc/subpath/token": credentials.SubPathMount,
		"/etc/my token":      credentials.SubPathMount,
		"/etc/sub":           credentials.SubPathMount,
		"/etc/bind":          credentials.FileMount,
		"/etc/twice":         credentials.SubPathMount,
		"/etc/other":         credentials.NotMounted,
		"":                   credentials.NotMounted,
	} {
		t.Run(path, func(t *testing.T) { assert.Equal(t, want, credentials.FindMount(mountinfo, path)) })
	}
}

func TestMountWarnings(t *testing.T) {
	const (
		subPath = "it is mounted with subPath, so Kubernetes never updates it and a rotated token is " +
			"not seen until the pod restarts: mount the secret as a directory, without subPath"
		alone = "it is a mount of this single file, so a new file that replaces it outside is not " +
			"seen: mount its directory"
	)
	assert.Equal(t, subPath, credentials.SubPathMount.Warning("/run/secrets/token"))
	assert.Equal(t, subPath, credentials.SubPathMount.Warning("/etc/token"))
	assert.Equal(t, alone, credentials.FileMount.Warning("/etc/token"))
	assert.Empty(t, credentials.FileMount.Warning("/run/secrets/token"),
		"Docker mounts its secrets one by one")
	assert.Empty(t, credentials.NotMounted.Warning("/etc/token"))
}

func TestWarningsOfComposites(t *testing.T) {
	open, closed := worldReadable(t), newSecretFile(t, newToken).path
	want := []string{"file:" + open + ": mode 0644 lets every user read the token: run chmod o= on it"}
	for name, p := range map[string]credentials.Provider{
		"chain":                credentials.Chain(missing, credentials.File(open)),
		"failover":             credentials.Failover(credentials.File(closed), credentials.File(open)),
		"failover of the same": credentials.Failover(credentials.File(open), credentials.File(open)),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Empty(t, warnings(p))
			_, err := p.Token(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, warnings(p))
		})
	}

	t.Run("default", func(t *testing.T) {
		p := credentials.NewDefault(environment("TOLOKA_TOKEN_FILE", open), t.TempDir())
		assert.Empty(t, warnings(p))
		wantValue(t, p, apiKey)
		assert.Equal(t,
			[]string{"TOLOKA_TOKEN_FILE=" + open + ": mode 0644 lets every user read the token: run " +
				"chmod o= on it"}, warnings(p))
	})

	t.Run("chain warns of all its sources until it keeps one", func(t *testing.T) {
		p := credentials.Chain(credentials.File(open), credentials.File(closed))
		assert.Empty(t, warnings(p))
		wantValue(t, p, apiKey)
		assert.Equal(t, want, warnings(p))
	})
}

func warnings(p credentials.Provider) []string { return p.(credentials.Warner).Warnings() }

func worldReadable(t *testing.T) string {
	f := newSecretFile(t, apiKey)
	require.NoError(t, os.Chmod(f.path, 0o644))
	return f.path
}
