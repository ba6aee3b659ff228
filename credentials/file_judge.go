package credentials

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// judgment is what is wrong with a file that can be read.
type judgment struct {
	file     fs.FileInfo
	problem  string   // why it is refused, if it is
	warnings []string // with the source
}

const othersReadWrite fs.FileMode = 0o006

// judge returns why the file must not be used, or "", and keeps what to warn of. The file is judged
// again when it was replaced or its mode changed.
func (f *file) judge(info fs.FileInfo) (problem string) {
	if j := f.judged.Load(); j != nil && os.SameFile(j.file, info) && j.file.Mode() == info.Mode() {
		return j.problem
	}
	j := &judgment{file: info}
	path, err := filepath.Abs(f.path)
	if err == nil {
		alone := mountOf(path)
		j.warn(f.source, alone.warning(path))
		if hasModeBits && info.Mode()&othersReadWrite != 0 && alone != subPathMount &&
			!inSecretMount(path) {
			problem := permissionProblem(info, os.Geteuid(), readOnly(path))
			if f.cfg.refuseInsecure {
				j.problem = problem
			} else {
				j.warn(f.source, problem)
			}
		}
	}
	f.judged.Store(j)
	return j.problem
}

func (j *judgment) warn(source, problem string) {
	if problem != "" {
		j.warnings = append(j.warnings, source+": "+problem)
	}
}

// permissionProblem says what other users can do with the file, and what to do where it is. user
// is the user of this process.
func permissionProblem(info fs.FileInfo, user int, readOnly bool) string {
	access := "read"
	switch mode := info.Mode(); {
	case mode&0o006 == 0o006:
		access = "read and change"
	case mode&0o002 != 0:
		access = "change"
	}
	advice := "run chmod o= on it"
	switch owner := ownerOf(info); {
	case readOnly:
		advice = "its mount is read-only, so set the mode where the file is made " +
			"(Kubernetes: defaultMode: 0440)"
	case user != 0 && user != owner:
		// Without the permission of other users this process could not read the file either.
		advice = fmt.Sprintf("have its owner, user %d, give it to a group of this process "+
			"and run chmod o= on it", owner)
	}
	return fmt.Sprintf("mode %04o lets every user %s the token: %s",
		info.Mode().Perm(), access, advice)
}

// A mountKind says how a file is mounted. In a mount of the single file a new file that replaces
// it outside is not seen.
type mountKind int

const (
	notMounted mountKind = iota // only as a part of a directory
	fileMount
	subPathMount // by Kubernetes
)

func (m mountKind) warning(path string) (problem string) {
	switch {
	case m == subPathMount:
		return "it is mounted with subPath, so Kubernetes never updates it and a rotated token " +
			"is not seen until the pod restarts: mount the secret as a directory, without subPath"
	case m == fileMount && !inSecretMount(path):
		return "it is a mount of this single file, so a new file that replaces it outside is not " +
			"seen: mount its directory"
	}
	return ""
}

// mountOf finds out how path is mounted. It needs Linux's /proc.
func mountOf(path string) mountKind {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return notMounted
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return notMounted
	}
	return findMount(string(table), target)
}

// kubernetesVolume is a path in the volume of a secret: the directory that ..data links to. A
// subPath mount shows it as the root of the mount.
var kubernetesVolume = regexp.MustCompile(
	`/\.\.\d{4}_\d{2}_\d{2}_\d{2}_\d{2}_\d{2}\.\d+/|/volume-subpaths/`)

// findMount looks path up in a table like /proc/self/mountinfo, where the fourth field of a
// line is the root of the mount in its file system and the fifth is the mount point.
func findMount(table, path string) mountKind {
	found := notMounted
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 || unescape.Replace(fields[4]) != path {
			continue
		}
		found = fileMount // the last mount at a point hides those before it
		if kubernetesVolume.MatchString(unescape.Replace(fields[3])) {
			found = subPathMount
		}
	}
	return found
}

// unescape turns the escapes of /proc/self/mountinfo into what they stand for.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// inSecretMount reports whether path, or what it links to, is part of a mount that
// Kubernetes, Docker or systemd made for secrets.
func inSecretMount(path string) bool {
	if inMountOf(path) {
		return true
	}
	target, err := filepath.EvalSymlinks(path)
	return err == nil && target != path && inMountOf(target)
}

func inMountOf(path string) bool {
	roots := []string{"/run/secrets", "/var/run/secrets", os.Getenv(credentialsVariable)}
	for _, root := range roots {
		if within(root, path) {
			return true
		}
		if target, err := filepath.EvalSymlinks(root); err == nil && within(target, path) {
			return true
		}
	}
	dir := filepath.Dir(path)
	if isSymlink(filepath.Join(dir, "..data")) {
		return true
	}
	// Behind the links a Kubernetes file is in ..2024_05_01_12_00_00.123456789, and
	// ..data is in the same directory as that.
	return strings.HasPrefix(filepath.Base(dir), "..") &&
		isSymlink(filepath.Join(filepath.Dir(dir), "..data"))
}

func within(root, path string) bool {
	if root == "" {
		return false
	}
	rel, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rel) && rel != "."
}

func isSymlink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
