// Package processtest does to processes what the tests of their isolation are about,
// on every system: it ends and stops them, and has the test's own one crash.
package processtest
