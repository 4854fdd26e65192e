//go:build unix && !linux

package process

import "fmt"

// lowest is the highest niceness that there is everywhere.
const lowest = 19

// SetIdle comes as near to running only while nobody else wants the processor as
// niceness does.
func SetIdle() error { return setIdle(0) }

func setIdle(group int) error {
	if err := setNice(group, lowest); err != nil {
		return fmt.Errorf("lowest priority: %w", err)
	}
	return nil
}
