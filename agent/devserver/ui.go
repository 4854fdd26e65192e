package devserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/temporalio/ui-server/v2/server/api"
	"github.com/temporalio/ui-server/v2/server/auth"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/cors"
	"github.com/temporalio/ui-server/v2/server/csrf"
	"github.com/temporalio/ui-server/v2/server/headers"
	"github.com/temporalio/ui-server/v2/server/route"
	"github.com/temporalio/ui-server/v2/ui"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// webUI serves Temporal's web UI.
type webUI struct {
	server *http.Server
	conn   *grpc.ClientConn // to the Temporal server
	done   chan struct{}    // closed when the server has returned
}

// startUI serves the UI of the Temporal server at hostPort on the listener, which it owns from now on.
func startUI(l net.Listener, hostPort string, log *slog.Logger) (*webUI, error) {
	handler, conn, err := uiHandler(hostPort)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("web UI: %w", err), l.Close())
	}
	u := &webUI{
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
		conn: conn,
		done: make(chan struct{}),
	}
	go func() {
		defer close(u.done)
		if err := u.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("web UI stopped", "error", err)
		}
	}()
	return u, nil
}

// stop ends the UI, requests in flight after a short grace included.
func (u *webUI) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := u.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = u.server.Close()
	}
	<-u.done
	return errors.Join(err, u.conn.Close())
}

// uiHandler puts together what server.NewServer of the UI does. That one can't be used: its Start takes an address where
// we have a listener, ends the process if it can't bind it, and keeps its connection for ever.
func uiHandler(hostPort string) (http.Handler, *grpc.ClientConn, error) {
	cfg, err := config.NewConfigProviderWithRefresh(&config.Config{
		TemporalGRPCAddress: hostPort,
		EnableUI:            true,
		DefaultNamespace:    DefaultNamespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                config.CORS{CookieInsecure: true}, // plain HTTP
	})
	if err != nil {
		return nil, nil, err
	}
	assets, err := ui.Assets()
	if err != nil {
		return nil, nil, err
	}
	local, err := fs.Sub(assets, "local")
	if err != nil {
		return nil, nil, err
	}

	e := echo.New()
	e.Use(
		middleware.Recover(),
		middleware.Gzip(),
		cors.CORSMiddleware(cors.CORSConfig{
			AllowHeaders: []string{
				echo.HeaderOrigin, echo.HeaderContentType, echo.HeaderAccept, echo.HeaderXCSRFToken,
				echo.HeaderAuthorization, auth.AuthorizationExtrasHeader, callerTypeHeader,
			},
			AllowCredentials: true,
			ConfigProvider:   cfg,
		}),
		middleware.Secure(),
		csrf.EnsureTokenCookie(false),
		middleware.CSRFWithConfig(csrf.MiddlewareConfig(cfg, false)),
	)
	route.SetHealthRoute(e)
	if err := route.SetUIRoutes(e, "", local); err != nil {
		return nil, nil, err
	}
	route.SetRenderRoute(e, "")

	conn, err := api.CreateGRPCConnection(cfg)
	if err != nil {
		return nil, nil, err
	}
	if conn == nil {
		return nil, nil, fmt.Errorf("no connection to %s", hostPort)
	}
	forward := []api.Middleware{headers.WithForwardHeaders([]string{auth.AuthorizationExtrasHeader, callerTypeHeader})}
	group := e.Group("/api/v1")
	group.GET("/settings", api.GetSettings(cfg))
	group.GET(api.WorkflowRawHistoryUrl, api.WorkflowRawHistoryHandler(workflowservice.NewWorkflowServiceClient(conn)))
	group.Match([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, "/*", api.TemporalAPIHandler(cfg, forward, conn))
	return e, conn, nil
}

// callerTypeHeader tells the server which requests come from a person.
const callerTypeHeader = "Caller-Type"
