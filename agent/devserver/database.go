package devserver

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
	sqliteschema "go.temporal.io/server/schema/sqlite"
)

// database is one SQLite database with the server's schema, and the right to use it.
type database struct {
	sql  *config.SQL
	lock *fileLock // nil in memory
}

// openDatabase opens the file, or a new database in memory if file is "".
func openDatabase(file string) (*database, error) {
	if file == "" {
		return &database{sql: &config.SQL{
			PluginName: sqlite.PluginName,
			// A name of its own, as the process keeps databases by name: a second server must not find the first's.
			DatabaseName:      "devserver-" + uuid.NewString(),
			ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
		}}, nil
	}

	path, err := resolvePath(file)
	if err != nil {
		return nil, fmt.Errorf("database file %s: %w", file, err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	if err := prepareFile(path); err != nil {
		return nil, errors.Join(fmt.Errorf("database file %s: %w", path, err), lock.release())
	}
	return &database{sql: fileSQL(path), lock: lock}, nil
}

// fileSQL describes a database file. In WAL mode with synchronous=NORMAL a killed process loses nothing that was
// committed; a power cut may lose the last commits but leaves the file whole.
func fileSQL(path string) *config.SQL {
	return &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: uriPath(path),
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "WAL",
			"synchronous":  "NORMAL",
			// Another program may read the file, say the sqlite3 shell.
			"busy_timeout": "10000",
		},
	}
}

// prepareFile gives a new or empty file its schema and refuses a file that is something else.
func prepareFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return createFile(path)
	case err != nil:
		return err
	case !info.Mode().IsRegular(): // a folder may have no size
		return errors.New("is not a regular file")
	case info.Size() == 0:
		return createFile(path)
	}

	return inspectFile(path)
}

// inspectFile refuses a database that is not the server's, before it is changed: setting WAL mode does that.
func inspectFile(path string) error {
	db := &database{sql: &config.SQL{
		PluginName:        sqlite.PluginName,
		DatabaseName:      uriPath(path),
		ConnectAttributes: map[string]string{"mode": "rw"},
	}}
	admin, err := db.admin()
	if err != nil {
		return err
	}
	tables, err := admin.ListTables("")
	if err = errors.Join(err, admin.Close(), db.close()); err != nil {
		return err
	}
	if !slices.Contains(tables, "namespaces") || !slices.Contains(tables, "executions_visibility") {
		return fmt.Errorf("is not a database of the Temporal server, but one with the tables %q", tables)
	}
	return nil
}

// createFile writes the schema beside the final name: a process killed half way leaves no half database.
func createFile(path string) error {
	building := path + ".new"
	for _, leftover := range []string{building, building + "-wal", building + "-shm"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	db := &database{sql: fileSQL(building)}
	if err := errors.Join(sqliteschema.SetupSchema(db.sql), db.close()); err != nil {
		return err
	}
	return os.Rename(building, path)
}

func (db *database) admin() (sqlplugin.AdminDB, error) {
	return sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, db.sql, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
}

// close closes the database, which frees the memory of one in memory, and gives the lock back.
func (db *database) close() error {
	var err error
	if admin, openErr := db.admin(); openErr == nil {
		err = dropConnections(admin)
		err = errors.Join(err, admin.Close())
	}
	if db.lock != nil {
		err = errors.Join(err, db.lock.release())
	}
	return err
}

// dropConnections closes the SQLite handles behind a database. The server keeps them in a pool for the life of the
// process and closes none, so that a file would stay open; but database/sql discards a connection whose use ends in
// driver.ErrBadConn, and opens one again when it is needed.
func dropConnections(admin sqlplugin.AdminDB) error {
	err := admin.Exec("SELECT ?", badConn{})
	if !errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("close of the database: %w", err)
	}
	return nil
}

type badConn struct{}

func (badConn) Value() (driver.Value, error) { return nil, driver.ErrBadConn }

// resolvePath makes one name of all names of a file, as locks go by name.
func resolvePath(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil {
		return resolved, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// uriPath is path as the server puts it behind "file:", https://www.sqlite.org/uri.html.
func uriPath(path string) string {
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}
