package codec

import (
	"fmt"
	"os"
	"strconv"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// Apply has a client, and the workers over it, encode payloads with the codecs,
// the last one first, and the messages and stack traces of errors likewise.
// Without codecs it changes nothing.
func Apply(o *client.Options, codecs ...converter.PayloadCodec) {
	if len(codecs) == 0 {
		return
	}
	parent := o.DataConverter
	if parent == nil {
		parent = converter.GetDefaultDataConverter()
	}
	o.DataConverter = converter.NewCodecDataConverter(parent, codecs...)
	o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: o.DataConverter, EncodeCommonAttributes: true,
	})
}

// Environment variables of FromEnvironment.
const (
	// KeysVariable names the file of keys (see ReadKeys) to encrypt with.
	KeysVariable = "TROUPE_PAYLOAD_KEYS"
	// CompressionVariable, set to true, compresses.
	CompressionVariable = "TROUPE_PAYLOAD_COMPRESSION"
)

// FromEnvironment returns the codecs that the environment asks for: none, if
// neither variable is set.
func FromEnvironment() (codecs []converter.PayloadCodec, err error) {
	if path := os.Getenv(KeysVariable); path != "" {
		keys, err := ReadKeys(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", KeysVariable, err)
		}
		codecs = append(codecs, Encryption(keys))
	}
	if value := os.Getenv(CompressionVariable); value != "" {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return nil, fmt.Errorf("%s is %q: want true or false", CompressionVariable, value)
		}
		if on {
			codecs = append(codecs, Compression())
		}
	}
	return codecs, nil
}
