package codec

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// MaxDecompressed is the largest payload that is decompressed: well above the
// 2 MiB that a server takes uncompressed, and little enough for memory.
const MaxDecompressed = 64 << 20

const encodingZlib = "binary/zlib"

// Compression returns a codec that compresses payloads with zlib where that makes
// them smaller. It is the SDK's own, except that it does not decompress beyond
// MaxDecompressed, for a payload may be anything that a client made up.
func Compression() converter.PayloadCodec {
	return compression{converter.NewZlibCodec(converter.ZlibCodecOptions{})}
}

type compression struct{ converter.PayloadCodec }

func (compression) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decoded := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encodingZlib {
			decoded[i] = p
			continue
		}
		var err error
		if decoded[i], err = decompress(p.GetData()); err != nil {
			return nil, fmt.Errorf("decompress payload: %w", err)
		}
	}
	return decoded, nil
}

func decompress(data []byte) (*commonpb.Payload, error) {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, MaxDecompressed+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > MaxDecompressed {
		return nil, fmt.Errorf("%d bytes become more than %d", len(data), MaxDecompressed)
	}
	var p commonpb.Payload
	if err := proto.Unmarshal(plain, &p); err != nil {
		return nil, err
	}
	return &p, nil
}
