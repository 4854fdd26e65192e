package evaluate_test

import (
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

func ExampleClassification() {
	truth := []string{"B cell", "B cell", "T cell", "T cell", "T cell"}
	predicted := []string{"B cell", "T cell", "T cell", "T cell", "unassigned"}
	scores, err := evaluate.Classification(truth, predicted)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("accuracy %.2f, macro F1 %.2f\n", scores.Accuracy, scores.MacroF1)
	for i, label := range scores.Labels {
		fmt.Println(label, scores.Confusion[i])
	}
	// Output:
	// accuracy 0.60, macro F1 0.44
	// B cell [1 1 0]
	// T cell [0 2 1]
	// unassigned [0 0 0]
}
