package credentials

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

const othersReadWrite fs.FileMode = 0o066

// judgePermissions refuses a file that is open to other users, or warns of it once. What has been
// warned of, or is found to be in a secret mount, is not judged again at every poll.
func (f *file) judgePermissions(mode fs.FileMode) (problem string) {
	switch {
	case !hasModeBits || mode&othersReadWrite == 0 || f.judged.Load():
	case inSecretMount(f.path):
		f.judged.Store(true)
	case f.options.refuseInsecure:
		return fmt.Sprintf("file is open to other users (mode %04o): run chmod 600 on it", mode.Perm())
	case f.judged.CompareAndSwap(false, true):
		f.warn(mode)
	}
	return ""
}

func (f *file) warn(mode fs.FileMode) {
	logger := f.options.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(context.Background(), slog.LevelWarn, "token file is open to other users: run chmod 600 on it",
		slog.String("token.source", f.Describe()),
		slog.String("mode", fmt.Sprintf("%04o", mode.Perm())))
}

// inSecretMount reports whether path, or what it links to, is part of a mount that
// Kubernetes, Docker or systemd made for secrets.
func inSecretMount(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if mounted(abs) {
		return true
	}
	target, err := filepath.EvalSymlinks(abs)
	return err == nil && target != abs && mounted(target)
}

func mounted(path string) bool {
	for _, root := range []string{"/run/secrets", "/var/run/secrets", os.Getenv("CREDENTIALS_DIRECTORY")} {
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
	// ..data is that directory's neighbour.
	return strings.HasPrefix(filepath.Base(dir), "..") && isSymlink(filepath.Join(filepath.Dir(dir), "..data"))
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
