package devserver

import (
	"context"
	"fmt"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/searchattribute/sadefs"
	sqliteschema "go.temporal.io/server/schema/sqlite"
)

// createNamespaces writes namespaces and search attributes into the database of a server that does not run yet: what it
// reads at its start it knows at once, what it is told later its caches learn after seconds.
func (db *database) createNamespaces(ctx context.Context, names []string, attributes map[string]enumspb.IndexedValueType) error {
	configs := make([]*sqliteschema.NamespaceConfig, len(names))
	for i, name := range names {
		var err error
		if configs[i], err = sqliteschema.NewNamespaceConfig(clusterName, name, false, nil); err != nil {
			return fmt.Errorf("namespace %q: %w", name, err)
		}
	}
	if err := sqliteschema.CreateNamespaces(db.sql, configs...); err != nil {
		return err
	}
	if len(attributes) == 0 {
		return nil
	}

	conn, err := sql.NewSQLDB(sqlplugin.DbKindMain, db.sql, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, name := range names {
		if err := addSearchAttributes(ctx, conn, name, attributes); err != nil {
			return fmt.Errorf("search attributes of namespace %q: %w", name, err)
		}
	}
	return nil
}

// addSearchAttributes adds those that the namespace lacks.
func addSearchAttributes(ctx context.Context, conn sqlplugin.DB, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	rows, err := conn.SelectFromNamespace(ctx, sqlplugin.NamespaceFilter{Name: &namespace})
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("table namespaces has %d rows of that name, but must have one", len(rows))
	}
	row := rows[0]
	serializer := serialization.NewSerializer()
	detail, err := serializer.NamespaceDetailFromBlob(persistence.NewDataBlob(row.Data, row.DataEncoding))
	if err != nil {
		return err
	}
	if detail.Config == nil {
		detail.Config = &persistencespb.NamespaceConfig{}
	}
	aliases := maps.Clone(detail.Config.CustomSearchAttributeAliases)
	if aliases == nil {
		aliases = map[string]string{}
	}
	if err := aliasSearchAttributes(aliases, attributes); err != nil {
		return err
	}
	if maps.Equal(aliases, detail.Config.CustomSearchAttributeAliases) {
		return nil
	}
	detail.Config.CustomSearchAttributeAliases = aliases
	blob, err := serializer.NamespaceDetailToBlob(detail)
	if err != nil {
		return err
	}
	row.Data, row.DataEncoding = blob.GetData(), blob.GetEncodingType().String()
	_, err = conn.UpdateNamespace(ctx, &row)
	return err
}

// aliasSearchAttributes gives each attribute a column: a SQL database has a fixed number of them of each type, such as
// Keyword01 to Keyword10, and a namespace holds the names that its own columns go by.
func aliasSearchAttributes(aliases map[string]string, attributes map[string]enumspb.IndexedValueType) error {
	columns := sadefs.GetDBIndexSearchAttributes(nil).CustomSearchAttributes
	byName := map[string]string{}
	for column, name := range aliases {
		byName[name] = column
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		kind := attributes[name]
		if column, ok := byName[name]; ok {
			if columns[column] != kind {
				return fmt.Errorf("%q exists with the type %v, so it can't be a %v", name, columns[column], kind)
			}
			continue
		}
		ofKind := slices.DeleteFunc(slices.Sorted(maps.Keys(columns)), func(column string) bool { return columns[column] != kind })
		free := slices.IndexFunc(ofKind, func(column string) bool { return aliases[column] == "" })
		if free < 0 {
			return fmt.Errorf("%q of the type %v has no column left: there are %d of that type", name, kind, len(ofKind))
		}
		aliases[ofKind[free]] = name
	}
	return nil
}
