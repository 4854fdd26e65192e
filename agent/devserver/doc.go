// Package devserver runs a Temporal server inside the process: SQLite in memory or in a file, and Temporal's web UI.
package devserver
