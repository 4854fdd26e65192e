package compute

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeDevice is a device with a name and nothing else.
type fakeDevice struct {
	Device
	class string
	opts  Options
}

func (d *fakeDevice) Class() string { return d.class }

type fakeDriver struct {
	name string
	err  error
}

func (d fakeDriver) Open(config string, opts Options) (Device, error) {
	if d.err != nil {
		return nil, d.err
	}
	return &fakeDevice{class: d.name + "/" + config, opts: opts}, nil
}

type rankedDriver struct {
	fakeDriver
	rank int
}

func (d rankedDriver) Rank() int { return d.rank }

// withDrivers replaces the registered drivers for a test.
func withDrivers(t *testing.T, registered map[string]Driver) {
	t.Helper()
	driversMu.Lock()
	defer driversMu.Unlock()
	before := drivers
	drivers = registered
	t.Cleanup(func() {
		driversMu.Lock()
		defer driversMu.Unlock()
		drivers = before
	})
}

func TestRegister(t *testing.T) {
	withDrivers(t, map[string]Driver{})
	require.Empty(t, Drivers())
	Register("zeta", fakeDriver{name: "zeta"})
	Register("alpha", fakeDriver{name: "alpha"})
	names := Drivers()
	require.Equal(t, []string{"alpha", "zeta"}, names)
	names[0] = "changed"
	require.Equal(t, []string{"alpha", "zeta"}, Drivers())

	require.Panics(t, func() { Register("zeta", fakeDriver{}) }, "taken")
	require.Panics(t, func() { Register("nil", nil) }, "nil driver")
	require.Panics(t, func() { Register("auto", fakeDriver{}) }, "reserved")
	require.Panics(t, func() { Register("", fakeDriver{}) }, "empty")
	require.Panics(t, func() { Register("a:b", fakeDriver{}) }, "colon")
}

func TestOpen(t *testing.T) {
	broken := errors.New("no such card")
	withDrivers(t, map[string]Driver{
		"zeta":  fakeDriver{name: "zeta"},
		"alpha": fakeDriver{name: "alpha"},
		"bad":   fakeDriver{err: broken},
	})
	dev, err := Open("zeta:1:fast", Options{Threads: 3})
	require.NoError(t, err)
	require.Equal(t, "zeta/1:fast", dev.Class())
	require.Equal(t, 3, dev.(*fakeDevice).opts.Threads)

	_, err = Open("cuda:0", Options{})
	require.EqualError(t, err, `compute: unknown device "cuda:0"; compiled in: alpha, bad, zeta (is the driver's package imported?)`)
	_, err = Open("bad", Options{})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, `"bad"`)
	_, err = Open("auto", Options{})
	require.ErrorContains(t, err, "alpha, bad, zeta", "no driver has a rank")
	withDrivers(t, map[string]Driver{})
	_, err = Open("cpu", Options{})
	require.ErrorContains(t, err, "compiled in: none")
}

func TestOpenAuto(t *testing.T) {
	broken, alsoBroken := errors.New("no such card"), errors.New("no driver")
	withDrivers(t, map[string]Driver{
		"cpu":    rankedDriver{fakeDriver{name: "cpu"}, 0},
		"remote": fakeDriver{name: "remote"},
		"cuda":   rankedDriver{fakeDriver{name: "cuda"}, 10},
		"old":    rankedDriver{fakeDriver{err: broken}, 20},
	})
	dev, err := Open("auto", Options{})
	require.NoError(t, err)
	require.Equal(t, "cuda/", dev.Class())
	_, err = Open("auto:0", Options{})
	require.ErrorContains(t, err, "no configuration")

	withDrivers(t, map[string]Driver{
		"cpu": rankedDriver{fakeDriver{err: broken}, 0},
		"old": rankedDriver{fakeDriver{err: alsoBroken}, 20},
	})
	_, err = Open("auto", Options{})
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, alsoBroken)
}

func TestActivationString(t *testing.T) {
	t.Parallel()
	for act, want := range map[Activation]string{Identity: "identity", ReLU: "relu", LeakyReLU: "leaky relu", Sigmoid: "sigmoid", 9: "activation(9)"} {
		require.Equal(t, want, act.String())
	}
}
