module github.com/seed-ab6af24b/troupe/integration

go 1.26.8
