package report

import "fmt"

// palette holds colours for kinds of cells that can be told apart with normal
// colour vision and without the cones for long, medium or short wavelengths, on
// white and on the page's dark ground. Their least distance in OKLab is above
// 0.1 in each of these views, which the tests verify; the usual ten of Matplotlib
// have 0.007.
var palette = []string{
	"#386ca0", "#fab72a", "#c60475", "#43dab0", "#8a63fe", "#6e4836",
	"#369dd1", "#a69c13", "#de708d", "#6d7607", "#b1b7fd", "#5e2ac6",
}

// neutral is the colour of what has no kind.
const neutral = "#8b929c"

// markers is the number of shapes. Beyond the colours of the palette a kind has
// the colour of an earlier one and the next shape.
const markers = 5

// viridis, ten steps of it: the order of the colours can be seen with any colour
// vision, and in grey.
var viridis = []string{
	"#440154", "#482878", "#3e4a89", "#31688e", "#26828e",
	"#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
}

// steps is the number of steps of the colours in tables: classes q0, q1 … of the
// style sheet.
const steps = 20

// stepClass is the class of a share between 0 and 1.
func stepClass(share float64) string {
	return fmt.Sprintf("q%d", int(max(0, min(1, share))*steps+0.5))
}

// divergingClass is the class of a number between -1 and 1.
func divergingClass(value float64) string {
	return fmt.Sprintf("d%d", int((max(-1, min(1, value))+1)/2*steps+0.5))
}
