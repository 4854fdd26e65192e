package tokens_test

// vocabulary is a list of tokens; ids are places in it.
type vocabulary []string

func (v vocabulary) ID(token string) (int32, bool) {
	for i, t := range v {
		if t == token {
			return int32(i), true
		}
	}
	return 0, false
}
