package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.temporal.io/sdk/converter"

	"github.com/seed-ab6af24b/troupe/retry"
)

// MaxPayloadBytes is the largest input or result, encoded, that a definition
// sends: 256 KiB, the size from which Temporal's server begins to warn.
const MaxPayloadBytes = 256 << 10

// validator is implemented by request types that can tell whether they make
// sense.
type validator interface{ Validate() error }

// encode validates v and turns it into the payload that is sent. what names the
// value in errors.
func encode(what string, v any) (converter.RawValue, error) {
	var raw converter.RawValue
	if err := validate(what, v); err != nil {
		return raw, err
	}
	payload, err := converter.GetDefaultDataConverter().ToPayload(v)
	if err != nil {
		return raw, retry.InvalidData.Errorf("%s cannot be encoded: %w", what, err)
	}
	if err := checkSize(what, len(payload.GetData())); err != nil {
		return raw, err
	}
	return converter.NewRawValue(payload), nil
}

func checkSize(what string, n int) error {
	if n > MaxPayloadBytes {
		return retry.InvalidData.Errorf("%s has %d bytes encoded, more than the %d that a payload may have: put the data into a file and pass its path", what, n, MaxPayloadBytes)
	}
	return nil
}

// checkResult refuses a result that could not be stored.
func checkResult(what string, v any) error {
	payload, err := converter.GetDefaultDataConverter().ToPayload(v)
	if err != nil {
		return retry.InvalidData.Errorf("%s cannot be encoded: %w", what, err)
	}
	return checkSize(what, len(payload.GetData()))
}

// decode turns a payload into an In. strict refuses fields that In does not
// have. Every error is InvalidData.
func decode[In any](what string, raw converter.RawValue, strict bool) (In, error) {
	var in In
	payload := raw.Payload()
	encoding := string(payload.GetMetadata()[converter.MetadataEncoding])
	if encoding == converter.MetadataEncodingJSON && string(bytes.TrimSpace(payload.GetData())) == "null" {
		encoding = converter.MetadataEncodingNil
	}
	switch encoding {
	case "", converter.MetadataEncodingNil:
		if !optional(in) {
			return in, retry.InvalidData.Errorf("%s is missing: want a JSON object for %T", what, in)
		}
		return in, nil
	case converter.MetadataEncodingJSON:
		if err := decodeJSON(payload.GetData(), &in, strict); err != nil {
			return in, retry.InvalidData.Errorf("%s is not a valid %T: %w", what, in, err)
		}
	default:
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &in); err != nil {
			return in, retry.InvalidData.Errorf("%s with the encoding %q is not a valid %T: %w", what, encoding, in, err)
		}
	}
	return in, validate(what, in)
}

func decodeJSON(data []byte, v any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the JSON ends too early")
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}

func validate(what string, v any) error {
	c, ok := v.(validator)
	if !ok {
		return nil
	}
	if err := c.Validate(); err != nil {
		return retry.InvalidData.Wrap(fmt.Errorf("%s: %w", what, err))
	}
	return nil
}

// optional reports whether a request of v's type says nothing, so that leaving
// it out says the same.
func optional(v any) bool {
	switch v.(type) {
	case struct{}, nil:
		return true
	default:
		return false
	}
}
