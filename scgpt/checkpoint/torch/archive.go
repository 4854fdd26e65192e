package torch

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	// maxDirectory bounds what is read of the archive's directory, and so the
	// memory that it takes: a state dict has one entry for each tensor.
	maxDirectory = 4 << 20
	// maxPickle is room for some 25,000 tensors.
	maxPickle = 4 << 20
)

// archive is the zip file around a state dict.
type archive struct {
	data    []byte
	root    string
	entries map[string]*zip.File
	// budget is what may still be inflated. Weights hardly compress, so an
	// archive that grows many times over is not one of weights.
	budget int64
}

func openArchive(data []byte) (*archive, error) {
	if reason := foreign(data); reason != "" {
		return nil, invalidf("%s", reason)
	}
	limited := &limitedReaderAt{r: bytes.NewReader(data), left: maxDirectory}
	z, err := zip.NewReader(limited, int64(len(data)))
	if err != nil {
		return nil, invalidf("not a whole zip archive, as torch.save writes it: %v", err)
	}
	a := &archive{data: data, entries: make(map[string]*zip.File, len(z.File)), budget: 1<<20 + 16*int64(len(data))}
	found := false
	for _, f := range z.File {
		if _, twice := a.entries[f.Name]; twice {
			return nil, invalidf("the archive holds %q twice", clip(f.Name))
		}
		a.entries[f.Name] = f
		if path.Base(f.Name) == "data.pkl" && strings.Count(f.Name, "/") <= 1 {
			if found {
				return nil, invalidf("the archive holds more than one data.pkl")
			}
			found = true
			a.root = strings.TrimSuffix(f.Name, "data.pkl")
		}
	}
	if !found {
		return nil, invalidf("the archive holds no data.pkl: torch.save did not write it")
	}
	if f := a.entries[a.root+"byteorder"]; f != nil {
		order, err := a.read(f, 16)
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, invalidf("byte order is %q, only little-endian storages are read", order)
		}
	}
	return a, nil
}

// pickle returns the program that describes the tensors.
func (a *archive) pickle() ([]byte, error) {
	return a.read(a.entries[a.root+"data.pkl"], maxPickle)
}

// storage returns the bytes of a storage that the pickle says has size bytes.
func (a *archive) storage(key string, size int64) ([]byte, error) {
	name := a.root + "data/" + key
	f := a.entries[name]
	if f == nil {
		return nil, invalidf("the archive lacks storage %q", clip(name))
	}
	if f.UncompressedSize64 != uint64(size) {
		return nil, invalidf("storage %q has %d bytes, the pickle says %d", clip(name), f.UncompressedSize64, size)
	}
	return a.read(f, size)
}

// read returns an entry's content: a slice of the file unless it is deflated.
func (a *archive) read(f *zip.File, limit int64) ([]byte, error) {
	packed, unpacked := f.CompressedSize64, f.UncompressedSize64
	if unpacked > uint64(limit) {
		return nil, invalidf("entry %q has %d bytes, more than the %d that are read", clip(f.Name), unpacked, limit)
	}
	if f.Flags&1 != 0 {
		return nil, invalidf("entry %q is encrypted", clip(f.Name))
	}
	offset, err := f.DataOffset()
	if err != nil {
		return nil, invalidf("entry %q: %v", clip(f.Name), err)
	}
	if offset < 0 || offset > int64(len(a.data)) || packed > uint64(int64(len(a.data))-offset) {
		return nil, invalidf("entry %q reaches past the end of the file", clip(f.Name))
	}
	raw := a.data[offset : offset+int64(packed) : offset+int64(packed)]
	switch f.Method {
	case zip.Store:
		if packed != unpacked {
			return nil, invalidf("entry %q is stored, but its sizes %d and %d differ", clip(f.Name), packed, unpacked)
		}
		return raw, nil
	case zip.Deflate:
		if int64(unpacked) > a.budget {
			return nil, invalidf("entry %q would grow to %d bytes: too much for an archive of %d", clip(f.Name), unpacked, len(a.data))
		}
		a.budget -= int64(unpacked)
		out := make([]byte, unpacked)
		r := flate.NewReader(bytes.NewReader(raw))
		if _, err := io.ReadFull(r, out); err != nil {
			return nil, invalidf("entry %q: %v", clip(f.Name), err)
		}
		return out, nil
	}
	return nil, invalidf("entry %q is packed by method %d, only stored and deflated ones are read", clip(f.Name), f.Method)
}

// foreign recognises what users have in hand instead of a checkpoint.
func foreign(data []byte) string {
	head := data[:min(len(data), 64)]
	text := strings.ToLower(string(bytes.TrimSpace(head)))
	switch {
	case len(data) == 0:
		return "the file is empty"
	case bytes.HasPrefix(head, []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")):
		return "written in the format of PyTorch before 1.6; load it in PyTorch and torch.save it again"
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "a web page, not a checkpoint: the download did not work"
	case strings.HasPrefix(text, "version https://git-lfs"):
		return "a Git LFS pointer, not the checkpoint itself: run git lfs pull"
	}
	return ""
}

// limitedReaderAt ends a directory that would take too much memory.
type limitedReaderAt struct {
	r    io.ReaderAt
	left int64
}

func (l *limitedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if int64(len(p)) > l.left {
		return 0, fmt.Errorf("its directory is larger than %d bytes", maxDirectory)
	}
	n, err := l.r.ReadAt(p, off)
	l.left -= int64(n)
	return n, err
}
