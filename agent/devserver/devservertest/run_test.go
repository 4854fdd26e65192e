package devservertest_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent/devserver/devservertest"
)

var hostPort string

func TestMain(m *testing.M) {
	os.Exit(devservertest.Run(m, func(address string) error {
		hostPort = address
		return nil
	}))
}

func TestTheServerServes(t *testing.T) {
	c, err := client.Dial(client.Options{HostPort: hostPort})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	require.NoError(t, err)
}
