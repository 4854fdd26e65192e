package lease

import "path/filepath"

// Forget makes the process forget its leases: to those from before, one that is
// made anew behaves as one of another process.
func Forget() {
	allMu.Lock()
	defer allMu.Unlock()
	clear(all)
}

// Waiting returns how many acquisitions of this process do not have their token
// yet.
func (l *Lease) Waiting() int {
	l.line.mu.Lock()
	defer l.line.mu.Unlock()
	return len(l.line.places)
}

// Folder returns where the lease's files are.
func (l *Lease) Folder() string { return l.pool.(*files).dir }

// TokenFile returns the file of the first token.
func (l *Lease) TokenFile() string { return l.pool.(*files).path(0) }

// Tickets returns the files of those that wait.
func (l *Lease) Tickets() ([]string, error) {
	names, err := tickets(l.Folder())
	for i := range names {
		names[i] = filepath.Join(l.Folder(), names[i])
	}
	return names, err
}

var (
	TicketName   = ticketName
	TicketNumber = ticketNumber
)
