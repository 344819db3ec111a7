package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/ca"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/ctlog"
	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/internal/oidc"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/tsa"
	"github.com/hallmark-sign/hallmark/trust"
)

// Options say what to serve. Instance and Logger are required.
type Options struct {
	Instance *instance.Instance
	Logger   *slog.Logger

	// Reload has the server read its TLS certificate again at once, as it does anyway
	// when the files change; may be nil.
	Reload <-chan os.Signal
}

// Server is an instance with its logs open.
type Server struct {
	config   *config.Config
	logger   *slog.Logger
	rekor    *rekorlog.Log
	frozen   map[string]http.Handler // logs before rekor, by host name
	ct       *ctlog.Log
	ca       *ca.Authority
	tsa      *tsa.Authority
	login    *issuer.Issuer  // nil when it is disabled
	evidence *evidence.Store // nil unless it is enabled
	metrics  *metrics
	proxies  admission.Proxies
	gate     *admission.Gate
	reload   <-chan os.Signal
	handler  http.Handler
}

// New opens the logs and makes the authorities. Whoever gets a Server must Close
// it. Errors: durable.ErrLocked when another process serves the same directory;
// keys and chains that do not belong together.
func New(o Options) (*Server, error) {
	s := &Server{config: o.Instance.Config, reload: o.Reload, logger: slog.New(withRequest{o.Logger.Handler()})}
	for _, open := range []func(Options) error{s.openGate, s.openLogs, s.publishLogPolicy, s.openTimestamps, s.openLogin, s.openAuthority, s.openEvidence} {
		if err := open(o); err != nil {
			return nil, errors.Join(err, s.Close(context.Background()))
		}
	}
	s.metrics = newMetrics(s.logger, s.proxies)
	s.gauges()
	s.handler = s.routes()
	return s, nil
}

// openGate says how much strangers may use up, and by what they are told apart.
func (s *Server) openGate(o Options) (err error) {
	limits := o.Instance.Config.Limits.Effective()
	s.gate = admission.NewGate(admission.Limits{Requests: limits.Requests, Uploads: int64(limits.UploadMiB) << 20})
	s.proxies, err = o.Instance.Config.Proxies()
	return err
}

func (s *Server) openLogs(o Options) (err error) {
	witnesses, err := instance.Witnesses(o.Instance.Config)
	if err != nil {
		return err
	}
	last := len(o.Instance.Root.Logs) - 1
	if last < 0 {
		return errors.New("the trusted root has no log")
	}
	for n, log := range o.Instance.Root.Logs[:last] {
		if err := s.openFrozen(o, n, log); err != nil {
			return err
		}
	}
	s.rekor, err = rekorlog.New(rekorlog.Options{
		Dir: o.Instance.Config.Path(config.LogName(last)), Origin: config.Hostname(o.Instance.Root.Logs[last].BaseURL), Key: o.Instance.Keys.Rekor, Note: o.Instance.Keys.Note,
		Limits: entryLimits(o), Logger: s.logger, Witnesses: witnesses, Notes: instance.LogNotes(o.Instance.Config, config.LogName(last), last),
	})
	if err != nil {
		return err
	}
	s.ct, err = ctlog.New(ctlog.Options{
		Dir: o.Instance.Config.Path("ct"), Origin: o.Instance.Config.Host() + "/ct", Key: o.Instance.Keys.CT, Clock: time.Now, Logger: s.logger,
		Notes: instance.LogNotes(o.Instance.Config, "ct", last),
	})
	return err
}

// publishLogPolicy has clients demand the cosignatures that the configuration says.
func (s *Server) publishLogPolicy(o Options) error {
	return o.Instance.PublishLogPolicy(s.rekor.Size(), s.logger)
}

// openFrozen has a log served under its own host name that takes no entries any more.
func (s *Server) openFrozen(o Options, n int, log trust.Log) error {
	origin := config.Hostname(log.BaseURL)
	h, err := rekorlog.Frozen(rekorlog.FrozenOptions{
		Dir: o.Instance.Config.Path(config.LogName(n)), Origin: origin, Key: log.Key,
		Next: o.Instance.Root.Logs[len(o.Instance.Root.Logs)-1].BaseURL, Logger: s.logger,
	})
	if s.frozen == nil {
		s.frozen = make(map[string]http.Handler)
	}
	s.frozen[origin] = h
	return err
}

func (s *Server) openTimestamps(o Options) (err error) {
	s.tsa, err = tsa.New(tsa.Options{Key: o.Instance.Keys.TSA, Chain: o.Instance.TSAChain, Clock: time.Now, Logger: s.logger})
	if err != nil {
		return fmt.Errorf("making timestamp authority: %w", err)
	}
	return nil
}

func (s *Server) openLogin(o Options) (err error) {
	if o.Instance.Config.Login.Disabled {
		return nil
	}
	var clients []issuer.Client
	for _, c := range o.Instance.Config.Login.Clients {
		clients = append(clients, issuer.Client{ID: c.ID, Algorithm: c.IDTokenSignedResponseAlg})
	}
	s.login, err = issuer.New(issuer.Options{
		URL: o.Instance.Config.URL, RSA: o.Instance.Keys.IssuerRSA, ECDSA: o.Instance.Keys.Issuer, Clients: clients, Dir: o.Instance.Config.Path("issuer"), Audience: config.DefaultAudience,
		Limits: loginLimits(o.Instance.Config), Clock: time.Now, Logger: s.logger, InsecureHTTPUnsafe: o.Instance.Config.PlainHTTPUnsafe,
	})
	if err != nil {
		return fmt.Errorf("making login: %w", err)
	}
	return nil
}

// openAuthority makes the certificate authority, which takes tokens of the
// built-in login by its key, and those of other issuers by theirs.
func (s *Server) openAuthority(o Options) error {
	var issuers []oidc.Issuer
	if s.login != nil {
		issuers = append(issuers, oidc.Issuer{
			URL: o.Instance.Config.URL, Audience: config.DefaultAudience, Type: "email", Keys: s.login.PublicKeys(),
		})
	}
	for _, i := range o.Instance.Config.Issuers {
		issuers = append(issuers, oidc.Issuer{
			URL: i.URL, Audience: i.Audience, Type: i.Type, SubjectDomain: i.SubjectDomain, EmailVerifiedString: i.EmailVerifiedString,
		})
	}
	tokens, err := oidc.New(oidc.Options{Issuers: issuers, Client: http.DefaultClient, Clock: time.Now, Logger: s.logger})
	if err != nil {
		return fmt.Errorf("reading issuers: %w", err)
	}
	s.ca, err = ca.New(ca.Options{
		Key: o.Instance.Keys.CA, Chain: o.Instance.CAChain, Tokens: tokens, CTLog: s.ct,
		Configuration: tokens.Configuration(), Clock: time.Now, Logger: s.logger,
		Limit: limiter("certificates of this identity", o.Instance.Config.Limits.Effective().Certificates),
	})
	if err != nil {
		return fmt.Errorf("making certificate authority: %w", err)
	}
	return nil
}

func (s *Server) openEvidence(o Options) (err error) {
	if !o.Instance.Config.Evidence.Enabled {
		return nil
	}
	witnesses, err := instance.Cosigners(o.Instance.Config.Witnesses)
	if err != nil {
		return err
	}
	s.evidence, err = evidence.New(evidence.Options{
		Dir: o.Instance.Config.Path("evidence"), URL: o.Instance.Config.URL, Root: o.Instance.Root, Witnesses: witnesses, MaxBytes: o.Instance.Config.Evidence.MaxBytes, Logger: s.logger,
		Limit: limiter("bundles from this address", o.Instance.Config.Limits.Effective().Evidence),
	})
	return err
}

// Serve answers on l until ctx ends, and closes the logs; see Answer.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	service := Service{
		Handler: s.handler, Limits: s.config.Limits, Logger: s.logger, Close: s.Close,
		Reload: s.reload, Announce: func() { s.announce(l) },
	}
	if tls := s.config.TLS; tls != nil {
		service.Certificate, service.Key = s.config.Path(tls.Certificate), s.config.Path(tls.Key)
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if s.login != nil {
		watching.Go(func() { s.login.Watch(ctx) })
	}
	return service.Answer(ctx, l)
}

// Close closes the logs: what they have accepted is on the disk and published.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	if s.rekor != nil {
		errs = append(errs, s.rekor.Close(ctx))
	}
	if s.ct != nil {
		errs = append(errs, s.ct.Close(ctx))
	}
	if s.evidence != nil {
		errs = append(errs, s.evidence.Close())
	}
	return errors.Join(errs...)
}
