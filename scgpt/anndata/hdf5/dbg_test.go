package hdf5
import ("testing";"os";"bytes";"strconv";"strings";"fmt")
func TestDbg(t *testing.T) {
	s, _ := os.ReadFile(os.Getenv("DBG"))
	line := strings.Split(string(s), "\n")[1]
	q, err := strconv.Unquote(line[len("[]byte("):len(line)-1])
	if err != nil { t.Fatal(err) }
	b := []byte(q)
	file := &File{name: "fuzz", r: bytes.NewReader(b), size: uint64(len(b)), skipChecksums: true}
	file.open()
	root, _ := file.Root()
	for _, m := range root.hdr.messages { fmt.Printf("%#x flags %x %d bytes %x\n", m.kind, m.flags, len(m.body), m.body[:min(40,len(m.body))]) }
	fmt.Println(root.Kind()); ls, err := root.Links(); fmt.Println(len(ls), err)
	w, err := upTo(t.Context(), file, 1<<20)
	fmt.Println(len(w), err)
}
