package memo

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A stored result is
//
//	"troupe-memo-1\n"
//	length of the header, 4 bytes little-endian
//	SHA-256 of the header
//	header, JSON (entry)
//	the files, one after another
const magic = "troupe-memo-1\n"

const headBytes = len(magic) + 4 + sha256.Size

// maxHeader bounds the header, which holds the result's JSON.
const maxHeader = 16 << 20

// entry is the header of a stored result.
type entry struct {
	Key   json.RawMessage `json:"key"`
	Value json.RawMessage `json:"value"`
	Files []storedFile    `json:"files,omitempty"`

	header []byte
}

// storedFile is a file of a result.
type storedFile struct {
	Missing bool   `json:"missing,omitempty"`
	Size    int64  `json:"size"`
	SHA256  []byte `json:"sha256,omitempty"`
}

// errDamaged says that a stored result is not what was stored, or not by this
// version.
var errDamaged = errors.New("damaged")

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// source is a stored result.
type source interface {
	io.ReaderAt
	io.Closer
	size() int64
}

type bytesSource []byte

func (b bytesSource) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(b).ReadAt(p, at)
}
func (b bytesSource) Close() error { return nil }
func (b bytesSource) size() int64  { return int64(len(b)) }

// newEntry describes a result and reads the files once, for their checksums.
func newEntry(key, value []byte, files []string) (*entry, error) {
	e := &entry{Key: key, Value: value}
	for _, path := range files {
		f, err := describe(path)
		if err != nil {
			return nil, err
		}
		e.Files = append(e.Files, f)
	}
	var err error
	if e.header, err = json.Marshal(e); err != nil {
		return nil, err
	}
	if len(e.header) > maxHeader {
		return nil, fmt.Errorf("the result has %d bytes, more than the %d of a stored one", len(e.header), maxHeader)
	}
	return e, nil
}

func describe(path string) (storedFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return storedFile{Missing: true}, nil
	}
	if err != nil {
		return storedFile{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return storedFile{Size: n, SHA256: sum.Sum(nil)}, err
}

// size is that of the stored result.
func (e *entry) size() int64 {
	n := int64(headBytes + len(e.header))
	for _, f := range e.Files {
		n += f.Size
	}
	return n
}

// write writes the stored result. It fails if a file is not what it was when the
// entry was made.
func (e *entry) write(w io.Writer, files []string) error {
	head := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(e.header)))
	sum := sha256.Sum256(e.header)
	if _, err := w.Write(append(append(head, sum[:]...), e.header...)); err != nil {
		return err
	}
	for i, f := range e.Files {
		if f.Missing {
			continue
		}
		if err := appendFile(w, files[i], f.Size); err != nil {
			return err
		}
	}
	return nil
}

func appendFile(w io.Writer, path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// Between two files, the operating system may copy by itself.
	n, err := io.Copy(w, f)
	if err == nil && n != size {
		err = fmt.Errorf("%s has changed while it was stored", path)
	}
	return err
}

func (e *entry) encode(files []string) ([]byte, error) {
	var b bytes.Buffer
	err := e.write(&b, files)
	return b.Bytes(), err
}

// readEntry reads the header of a stored result of the key. Errors wrap
// errDamaged.
func readEntry(from source, key []byte) (*entry, error) {
	head := make([]byte, headBytes)
	if _, err := from.ReadAt(head, 0); err != nil || !bytes.HasPrefix(head, []byte(magic)) {
		return nil, damagedf("not a stored result")
	}
	n := binary.LittleEndian.Uint32(head[len(magic):])
	if n > maxHeader || int64(n) > from.size() {
		return nil, damagedf("a header of %d bytes", n)
	}
	header := make([]byte, n)
	if _, err := from.ReadAt(header, int64(headBytes)); err != nil {
		return nil, damagedf("the header: %v", err)
	}
	if sum := sha256.Sum256(header); !bytes.Equal(sum[:], head[len(magic)+4:]) {
		return nil, damagedf("the header's checksum does not match")
	}
	e := &entry{header: header}
	if err := json.Unmarshal(header, e); err != nil {
		return nil, damagedf("the header: %v", err)
	}
	if !bytes.Equal(e.Key, key) {
		return nil, damagedf("it is the result of another request")
	}
	for _, f := range e.Files {
		if f.Size < 0 || f.Size > from.size() {
			return nil, damagedf("a file of %d bytes", f.Size)
		}
	}
	if size := e.size(); size != from.size() {
		return nil, damagedf("%d bytes, but its header speaks of %d", from.size(), size)
	}
	return e, nil
}

// writeFiles writes the files of a stored result to the paths: none before all are
// written and checked under temporary names. If one of them then cannot get its final
// name, those before it have theirs. Errors of the stored result wrap errDamaged.
func (e *entry) writeFiles(from source, files []string) error {
	if len(files) != len(e.Files) {
		return damagedf("%d files, want %d", len(e.Files), len(files))
	}
	out := newOutputs(files)
	defer out.discard()
	at := int64(headBytes + len(e.header))
	for i, f := range e.Files {
		if f.Missing {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(files[i]), 0o777); err != nil {
			return err
		}
		if err := f.extract(io.NewSectionReader(from, at, f.Size), out.temporary[i]); err != nil {
			return err
		}
		at += f.Size
	}
	return out.name()
}

func (f storedFile) extract(from io.Reader, path string) (err error) {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	sum := sha256.New()
	r := &readErrors{r: from}
	if _, err := io.Copy(io.MultiWriter(w, sum), r); err != nil {
		if r.err != nil {
			return damagedf("%v", r.err)
		}
		return err
	}
	if !bytes.Equal(sum.Sum(nil), f.SHA256) {
		return damagedf("the checksum of a file does not match")
	}
	return w.Sync()
}

// readErrors remembers the error of reading, to tell it from one of writing.
type readErrors struct {
	r   io.Reader
	err error
}

func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
