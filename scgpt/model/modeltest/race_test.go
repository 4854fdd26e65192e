//go:build race

package modeltest_test

// raceDetector says that pure Go loops run some forty times slower.
const raceDetector = true
