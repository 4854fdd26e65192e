package devserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// startAttempts is how often Start chooses ports: between the choice and the server's own bind another program may
// take one.
const startAttempts = 3

// Server is a Temporal server that runs in this process, or one that was found running. Its methods may be called
// from several goroutines.
type Server struct {
	hostPort string
	uiURL    string
	used     bool
	notices  []string

	engine *engine   // nil if used
	db     *database // nil if used
	ui     *webUI    // nil if there is none, or the found server's own is used

	stop    sync.Once
	stopErr error
}

// Start starts a server, or finds the one that already listens on the port. When it returns, clients may use the
// namespaces and search attributes at once. If ctx ends before, what was started is stopped again and the error is
// that of ctx; afterwards ctx has no meaning.
func Start(ctx context.Context, opts Options) (*Server, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("devserver: %w", err)
	}
	for attempt := 1; ; attempt++ {
		s := &Server{}
		err := s.start(ctx, o)
		if err == nil {
			return s, nil
		}
		_ = s.Stop()
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		var taken *net.OpError
		if ctx.Err() != nil || attempt == startAttempts || !errors.As(err, &taken) || taken.Op != "listen" {
			return nil, fmt.Errorf("devserver: start: %w", err)
		}
		o.Logger.Info("a port was taken meanwhile, choosing again", "error", err)
	}
}

func (s *Server) start(ctx context.Context, o Options) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	port, err := s.choosePort(ctx, o)
	if err != nil {
		return err
	}
	s.hostPort = hostPort(o.dialHost(), port)
	c, err := connect(s.hostPort)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()

	if s.used {
		err = c.ensure(ctx, o.Namespaces, o.SearchAttributes)
	} else {
		err = s.launch(ctx, o, port)
	}
	if err != nil {
		return err
	}
	if err := c.awaitUsable(ctx, o.Namespaces, o.SearchAttributes); err != nil {
		return err
	}
	if o.UIPort != NoUI {
		if err := s.startUI(ctx, o, c); err != nil {
			return err
		}
	}
	for _, notice := range s.notices {
		o.Logger.Warn(notice)
	}
	return ctx.Err()
}

// choosePort settles the gRPC port, and whether a running server is used.
func (s *Server) choosePort(ctx context.Context, o Options) (int, error) {
	if o.Port == AnyPort {
		return freePort(o.Host)
	}
	addr := hostPort(o.dialHost(), o.Port)
	notBound := errTaken
	if !listening(ctx, addr) {
		if notBound = bindable(o.Host, o.Port); notBound == nil {
			return o.Port, nil
		}
	} else if found, err := isTemporal(ctx, addr); err != nil {
		return 0, err
	} else if found {
		s.used = true
		notice := "using the Temporal server that already runs at " + addr
		if o.DBFile != "" {
			notice += ", so the database file " + o.DBFile + " is not opened"
		}
		s.notices = append(s.notices, notice)
		return o.Port, nil
	}

	port, err := freePort(o.Host)
	if err != nil {
		return 0, err
	}
	s.notices = append(s.notices, fmt.Sprintf("the Temporal server listens on %s instead of port %d: %v",
		hostPort(o.dialHost(), port), o.Port, notBound))
	return port, nil
}

// launch opens the database and starts the server over it.
func (s *Server) launch(ctx context.Context, o Options, port int) error {
	var err error
	if s.db, err = openDatabase(o.DBFile); err != nil {
		return err
	}
	if err := s.db.createNamespaces(ctx, o.Namespaces, o.SearchAttributes); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.engine, err = startEngine(o, port, s.db.sql); err != nil {
		return err
	}
	if s.db.lock != nil {
		return s.db.lock.describe(s.hostPort)
	}
	return nil
}

// startUI finds the UI of a server that is used, or starts one.
func (s *Server) startUI(ctx context.Context, o Options, c *connection) error {
	var l net.Listener
	var notBound error
	switch addr := hostPort(o.dialHost(), o.UIPort); {
	case o.UIPort == 0: // any port
	case listening(ctx, addr):
		if s.used && showsSameServer(ctx, "http://"+addr, c) {
			s.uiURL = "http://" + addr
			return nil
		}
		notBound = errTaken
	default:
		l, notBound = net.Listen("tcp", hostPort(o.Host, o.UIPort))
	}
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", hostPort(o.Host, 0)); err != nil {
			return fmt.Errorf("web UI: %w", err)
		}
	}
	s.uiURL = "http://" + hostPort(o.dialHost(), l.Addr().(*net.TCPAddr).Port)
	if notBound != nil {
		s.notices = append(s.notices, fmt.Sprintf("the web UI is at %s instead of port %d: %v", s.uiURL, o.UIPort, notBound))
	}
	var err error
	s.ui, err = startUI(l, s.hostPort, o.Logger)
	return err
}

// showsSameServer reports whether a web UI is at uiURL and shows the server of c.
func showsSameServer(ctx context.Context, uiURL string, c *connection) bool {
	want, err := c.clusterID(ctx)
	if err != nil || want == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uiURL+"/api/v1/cluster-info", nil)
	if err != nil {
		return false
	}
	// A client of its own, whose connection ends here.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var info struct {
		ClusterID string `json:"clusterId"`
	}
	err = json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&info)
	return err == nil && info.ClusterID == want
}

// HostPort is the address for clients, such as "127.0.0.1:7233".
func (s *Server) HostPort() string { return s.hostPort }

// UIURL is the address of the web UI, such as "http://127.0.0.1:8233", or "" if there is none.
func (s *Server) UIURL() string { return s.uiURL }

// WorkflowURL is the page of a workflow in the web UI, of its latest run if runID is "". It is "" if there is no UI.
func (s *Server) WorkflowURL(namespace, workflowID, runID string) string {
	if s.uiURL == "" {
		return ""
	}
	page := s.uiURL + "/namespaces/" + url.PathEscape(namespace) + "/workflows/" + url.PathEscape(workflowID)
	if runID != "" {
		page += "/" + url.PathEscape(runID) + "/history"
	}
	return page
}

// Used reports whether the server was found running. Stop then leaves it alone.
func (s *Server) Used() bool { return s.used }

// Notices are sentences for the user where Start did something other than the options say: a server was found and is
// used, or a port was taken and another one is used. They are logged as well.
func (s *Server) Notices() []string { return slices.Clone(s.notices) }

// Stop stops the UI and the server, and closes the database. It waits for calls in flight for about a second: stop
// workers and close clients first. A server that was found running is left alone. Calls after the first wait for it
// and return its error, which also tells if the server had failed while it ran.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		var errs []error
		if s.ui != nil {
			errs = append(errs, s.ui.stop())
		}
		if s.engine != nil {
			errs = append(errs, s.engine.stop())
		}
		if s.db != nil {
			errs = append(errs, s.db.close())
		}
		if err := errors.Join(errs...); err != nil {
			s.stopErr = fmt.Errorf("devserver: stop: %w", err)
		}
	})
	return s.stopErr
}
