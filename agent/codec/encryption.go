package codec

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// What encrypted payloads say of themselves, as in the samples of Temporal's
// SDKs.
const (
	encodingEncrypted = "binary/encrypted"
	metadataKeyID     = "encryption-key-id"
)

// Encryption returns a codec that encrypts payloads with the keys. It is safe for
// concurrent use.
func Encryption(keys *Keys) converter.PayloadCodec { return &encryption{keys} }

type encryption struct{ keys *Keys }

func (e *encryption) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	gcm := e.keys.ciphers[e.keys.current]
	encoded := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		clear, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encrypt payload: %w", err)
		}
		nonce := make([]byte, gcm.NonceSize(), gcm.NonceSize()+len(clear)+gcm.Overhead())
		_, _ = rand.Read(nonce) // never fails (crypto/rand)
		encoded[i] = &commonpb.Payload{
			Metadata: map[string][]byte{
				converter.MetadataEncoding: []byte(encodingEncrypted),
				metadataKeyID:              []byte(e.keys.current),
			},
			Data: gcm.Seal(nonce, nonce, clear, nil),
		}
	}
	return encoded, nil
}

func (e *encryption) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encodingEncrypted {
			decoded[i] = p
			continue
		}
		var err error
		if decoded[i], err = e.decrypt(p); err != nil {
			return nil, fmt.Errorf("decrypt payload: %w", err)
		}
	}
	return decoded, nil
}

func (e *encryption) decrypt(p *commonpb.Payload) (*commonpb.Payload, error) {
	id := string(p.GetMetadata()[metadataKeyID])
	gcm, ok := e.keys.ciphers[id]
	if !ok {
		return nil, fmt.Errorf("its key is %.64q, but the keys here are %q", id, slices.Sorted(maps.Keys(e.keys.ciphers)))
	}
	if len(p.GetData()) < gcm.NonceSize() {
		return nil, fmt.Errorf("it has %d bytes, less than the %d of a nonce", len(p.GetData()), gcm.NonceSize())
	}
	nonce, sealed := p.GetData()[:gcm.NonceSize()], p.GetData()[gcm.NonceSize():]
	clear, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("it was not encrypted with the key %q, or was changed since", id)
	}
	var original commonpb.Payload
	if err := proto.Unmarshal(clear, &original); err != nil {
		return nil, err
	}
	return &original, nil
}
