module github.com/seed-ab6af24b/troupe/examples

go 1.26.8
