package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

func main() {
	step, _ := strconv.Atoi(os.Args[1])
	for _, p := range os.Args[2:] {
		t := time.Now()
		f, err := anndata.Open(p)
		if err != nil { panic(err) }
		x, err := f.X()
		if err != nil { panic(err) }
		var sum float64
		var n int
		for i := 0; i < f.NObs(); i += step {
			b, err := x.Rows(context.Background(), i, min(i+step, f.NObs()))
			if err != nil { panic(err) }
			n += len(b.Values)
			for _, v := range b.Values { sum += float64(v) }
		}
		var ru syscall.Rusage
		syscall.Getrusage(0, &ru)
		fmt.Println(p, x.Encoding(), n, sum, time.Since(t).Round(time.Millisecond), "rss", ru.Maxrss/1024, "MB")
		f.Close()
	}
}
