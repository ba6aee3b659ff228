package readme

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health"
)

// TestExportedNames counts the exported names of the public packages: constants, variables, types,
// functions, methods, and fields of structs. ARCHITECTURE.md has their number, so that a change
// which adds one says so.
func TestExportedNames(t *testing.T) {
	total := 0
	for _, dir := range publicPackages(t) {
		var names []string
		for _, file := range parse(t, dir) {
			names = append(names, exported(file)...)
		}
		t.Logf("%4d %s", len(names), dir)
		total += len(names)
	}
	t.Logf("%4d in all", total)

	written := regexp.MustCompile(`(\d+) exported names`).FindStringSubmatch(read(t, ".github/ARCHITECTURE.md"))
	require.NotNil(t, written)
	number, err := strconv.Atoi(written[1])
	require.NoError(t, err)
	assert.Equal(t, total, number, "update .github/ARCHITECTURE.md")
}

// TestReasons finds every reason in the README's table, in the row of its status.
func TestReasons(t *testing.T) {
	text := read(t, "README.md")
	found := 0
	for r := health.ReasonClosed; r <= health.ReasonVerified; r++ {
		found++
		row := regexp.MustCompile("(?m)^\\| `" + r.Status().String() + "` .*`" + r.String() + "`")
		assert.Regexp(t, row, text)
	}
	table := regexp.MustCompile("(?m)^\\| `(?:pass|warn|fail)` .* \\| (.*) \\|$").FindAllStringSubmatch(text, -1)
	listed := 0
	for _, row := range table {
		listed += strings.Count(row[1], ",") + 1
	}
	assert.Equal(t, found, listed, "the README has a reason that does not exist")
}

// TestOptions finds every option of the public packages in options.md: the functions that return an
// exported type whose name ends in Option, and the fields of echoadapter.Config.
func TestOptions(t *testing.T) {
	text := read(t, ".github/docs/options.md")
	found := 0
	for _, dir := range publicPackages(t) {
		if strings.HasSuffix(dir, "test") {
			continue // documented in the package
		}
		for _, file := range parse(t, dir) {
			for _, option := range options(file) {
				found++
				documented := strings.Contains(text, "`"+option+"(") || strings.Contains(text, "`"+option+"`")
				assert.True(t, documented, "%s of package %s is not in options.md", option, dir)
			}
		}
	}
	assert.Positive(t, found)
}

// publicPackages returns the directories of the packages that other modules can import.
func publicPackages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == root {
			return err
		}
		switch name := entry.Name(); {
		case name == "internal", name == "examples", name == "testdata", strings.HasPrefix(name, "."):
			return filepath.SkipDir
		}
		if _, err := build.ImportDir(path, 0); err == nil {
			dir, err := filepath.Rel(root, path)
			dirs = append(dirs, filepath.ToSlash(dir))
			return err
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, dirs, "health")
	return dirs
}

// parse returns the files of a package on this operating system, without tests.
func parse(t *testing.T, dir string) []*ast.File {
	t.Helper()
	pkg, err := build.ImportDir(filepath.Join(root, dir), 0)
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, 0)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

// exported returns the exported names that a file declares.
func exported(file *ast.File) []string {
	var names []string
	add := func(prefix string, idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() {
				names = append(names, prefix+ident.Name)
			}
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				add("", decl.Name)
			} else if receiver := typeName(decl.Recv.List[0].Type); ast.IsExported(receiver) {
				add(receiver+".", decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					add("", spec.Names...)
				case *ast.TypeSpec:
					add("", spec.Name)
					if spec.Name.IsExported() {
						names = append(names, members(spec)...)
					}
				}
			}
		}
	}
	return names
}

// members returns the exported fields of a struct or methods of an interface.
func members(spec *ast.TypeSpec) []string {
	var fields *ast.FieldList
	switch underlying := spec.Type.(type) {
	case *ast.StructType:
		fields = underlying.Fields
	case *ast.InterfaceType:
		fields = underlying.Methods
	default:
		return nil
	}
	var names []string
	for _, field := range fields.List {
		if len(field.Names) == 0 && ast.IsExported(typeName(field.Type)) {
			names = append(names, fmt.Sprintf("%s.%s", spec.Name.Name, typeName(field.Type)))
		}
		for _, name := range field.Names {
			if name.IsExported() {
				names = append(names, spec.Name.Name+"."+name.Name)
			}
		}
	}
	return names
}

// options returns the names of the options that a file declares.
func options(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil {
			continue
		}
		result := typeName(f.Type.Results.List[0].Type)
		if ast.IsExported(result) && strings.HasSuffix(result, "Option") {
			names = append(names, f.Name.Name)
		}
	}
	for _, name := range exported(file) {
		if field, ok := strings.CutPrefix(name, "Config."); ok {
			names = append(names, field)
		}
	}
	return names
}

// typeName returns the name of a type without its package, pointer and type parameters.
func typeName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.StarExpr:
		return typeName(expr.X)
	case *ast.SelectorExpr:
		return expr.Sel.Name
	case *ast.IndexExpr:
		return typeName(expr.X)
	default:
		return ""
	}
}
