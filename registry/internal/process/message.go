package process

import (
	"encoding/json"
	"time"
)

// Version of the protocol.
const Version = 1

// Type says what a message is about.
type Type string

// TypeHello is the first message, of both.
const TypeHello Type = "hello"

// From the parent.
const (
	// TypePing asks for a pong with the same ID.
	TypePing Type = "ping"
	// TypeGather asks for metrics with the same ID.
	TypeGather Type = "gather"
	// TypeDrain asks the child to stop within Left, or in its own time if
	// Left is negative.
	TypeDrain Type = "drain"
)

// From the child.
const (
	TypePong    Type = "pong"
	TypeMetrics Type = "metrics"
	TypeStatus  Type = "status"
	// TypeBegin says, in Status, that an activity begins, until the next
	// TypeStatus.
	TypeBegin Type = "begin"
	TypeLog   Type = "log"
	// TypeReported says which Tokens of the hello's Orphans the server knows of.
	TypeReported Type = "reported"
	// TypeBye is the last message: the child is about to exit.
	TypeBye Type = "bye"
)

// Message is all that is ever sent; which fields are set depends on Type.
type Message struct {
	Type  Type   `json:"type"`
	Hello *Hello `json:"hello,omitempty"`
	// ID connects answers with questions.
	ID int64 `json:"id,omitempty"`
	// Left is the time that a drain may take.
	Left time.Duration `json:"left,omitempty"`
	// Status is that of the child's agent, as package registry encodes it.
	Status json.RawMessage `json:"status,omitempty"`
	Record *Record         `json:"record,omitempty"`
	Usage  *Usage          `json:"usage,omitempty"`
	// Metrics are opaque here. Error says why there are none.
	Metrics []byte   `json:"metrics,omitempty"`
	Tokens  [][]byte `json:"tokens,omitempty"`
	// Error is why the child ends, empty if it was asked to and all went well;
	// Final says that another child would fail in the same way.
	Error string `json:"error,omitempty"`
	Final bool   `json:"final,omitempty"`
}

// Hello is how parent and child introduce themselves. The parent's tells the
// child who it is.
type Hello struct {
	Protocol int `json:"protocol"`

	Agent string `json:"agent"`
	// Namespace and Target are those of the parent's registry, as far as it knows
	// them, for a child with several registries.
	Namespace string `json:"namespace,omitempty"`
	Target    string `json:"target,omitempty"`
	Instance  int    `json:"instance,omitempty"`
	Device    string `json:"device,omitempty"`
	// Memory is the number of bytes that the child sets as its own limit, 0
	// where there is none or the parent has set it.
	Memory int64 `json:"memory,omitempty"`
	// Nice is the niceness that the child gives itself, 0 to stay as it is; Idle
	// is that it runs only while nobody else wants the processor.
	Nice int  `json:"nice,omitempty"`
	Idle bool `json:"idle,omitempty"`

	// Orphans are the task tokens of activities that ran in processes before,
	// and Cause is how the last of those ended: the child tells the server, and
	// then the parent.
	Orphans [][]byte `json:"orphans,omitempty"`
	Cause   string   `json:"cause,omitempty"`

	// TaskQueue is the agent's: the parent's, and the child's answer.
	TaskQueue string `json:"task_queue,omitempty"`
	// Module is the version of this module in the program, for messages.
	Module string `json:"module,omitempty"`
}

// Record is a log record, its groups flattened.
type Record struct {
	Time    time.Time `json:"time"`
	Level   int       `json:"level"`
	Message string    `json:"message"`
	Attrs   []Attr    `json:"attrs,omitempty"`
	// Lost counts the records before this one that there was no room for.
	Lost int `json:"lost,omitempty"`
}

// Attr is an attribute of a record. Its value is a string, a number or a bool.
type Attr struct {
	Key   string `json:"k"`
	Value any    `json:"v"`
}

// Usage is what a child takes at a moment.
type Usage struct {
	// Resident is the memory in use in bytes, 0 where the system does not say.
	Resident   int64 `json:"resident,omitempty"`
	Goroutines int   `json:"goroutines,omitempty"`
}
