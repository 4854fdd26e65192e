package anndata

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

const (
	maxLine = 1 << 18 // bytes of a line

	// Compressed text may be this many times larger than its file, and this
	// much more. Barcodes, tables of genes and matrices expand by 3 to 20.
	textExpansion = 256
	textSlack     = 16 << 20
)

// A textFile reads a file line by line, compressed by gzip or not.
type textFile struct {
	path  string
	in    *bufio.Reader
	file  io.Closer
	line  int   // number of the last line, from 1
	bytes int64 // read so far
	limit int64 // of bytes; 0 for none
}

func openText(path string) (*textFile, error) {
	// To open a FIFO would wait for somebody to write to it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &DataError{File: path, Reason: "not a regular file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := newText(path, file, info.Size())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	t.file = file
	return t, nil
}

// newText reads text from r, which holds a number of bytes.
func newText(path string, r io.Reader, size int64) (*textFile, error) {
	t := &textFile{path: path, in: bufio.NewReaderSize(r, maxLine)}
	if magic, err := t.in.Peek(2); err != nil || !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return t, nil //nolint:nilerr // an error comes back with the first line
	}
	unzipped, err := gzip.NewReader(t.in)
	if err != nil {
		return nil, t.fault(err)
	}
	t.in = bufio.NewReaderSize(unzipped, maxLine)
	t.limit = size*textExpansion + textSlack
	return t, nil
}

// next returns the next line without its end; the slice is valid until the next
// call. At the end of the text the error is io.EOF.
func (t *textFile) next() ([]byte, error) {
	line, err := t.in.ReadSlice('\n')
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		if errors.Is(err, bufio.ErrBufferFull) {
			t.line++
			return nil, t.errorf("has more than %d bytes", maxLine)
		}
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, t.fault(err)
	}
	t.line++
	if t.bytes += int64(len(line)); t.limit > 0 && t.bytes > t.limit {
		return nil, t.errorf("the text is more than %d times as large as the compressed file", textExpansion)
	}
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), nil
}

// errorf reports what is wrong with the last line.
func (t *textFile) errorf(format string, args ...any) error {
	return &DataError{File: t.path, Reason: fmt.Sprintf("line %d: ", t.line) + fmt.Sprintf(format, args...)}
}

// fault names the file in an error of reading it. Those of its content are
// data errors.
func (t *textFile) fault(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &corrupt) {
		return &DataError{File: t.path, Reason: fmt.Sprintf("after line %d: the compressed data are damaged or cut short: %v", t.line, err)}
	}
	return fmt.Errorf("%s: %w", t.path, err)
}

func (t *textFile) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
