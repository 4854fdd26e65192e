//go:build race

package model

// raceDetector says that pure Go loops run some forty times slower.
const raceDetector = true
