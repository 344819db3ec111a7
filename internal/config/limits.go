// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Limits bound what clients can use up. Fields that are not set have the defaults, which
// a few hundred CI jobs behind one address don't reach.
type Limits struct {
	// Connections are open at once. One more ends the one that has been idle for the
	// longest time. 4096 unless set.
	Connections int `yaml:"connections,omitempty"`

	// Requests are answered at once: so many that read files, so many that are being sent,
	// so many that have come. One address has at most half of them. 1024 unless set.
	Requests int `yaml:"requests,omitempty"`

	// UploadMiB is how much memory the bodies of requests may take, with what is made of
	// them: 128 unless set, which one bundle of 32 MiB fits in.
	UploadMiB int `yaml:"upload_mib,omitempty"`

	// Certificates is by identity, which the token names.
	Certificates Rate `yaml:"certificates,omitempty"`

	// Entries is by identity, for log entries with certificates of this instance.
	Entries Rate `yaml:"entries,omitempty"`

	// AnonymousEntries is by address, for log entries with any other key.
	AnonymousEntries Rate `yaml:"anonymous_entries,omitempty"`

	// Evidence is by address, for bundles that are posted to the evidence store.
	Evidence Rate `yaml:"evidence,omitempty"`

	// DeviceCodes is by address, for sign-ins of devices that are begun.
	DeviceCodes Rate `yaml:"device_codes,omitempty"`

	// FailedLogins is by address, for wrong passwords and unknown accounts.
	FailedLogins Rate `yaml:"failed_logins,omitempty"`

	// AccountLogins is by account and address, for wrong passwords.
	AccountLogins Rate `yaml:"account_logins,omitempty"`

	// AccountLoginsOverall is by account, over all addresses that have not signed in to
	// it since the start.
	AccountLoginsOverall Rate `yaml:"account_logins_overall,omitempty"`
}

// Rate is so many at once, and then so many a minute.
type Rate struct {
	Burst     int `yaml:"burst"`
	PerMinute int `yaml:"per_minute"`
}

// Pause returns the time after which one more request is allowed.
func (r Rate) Pause() time.Duration { return time.Minute / time.Duration(r.PerMinute) }

// maxRate keeps Pause from being none.
const maxRate = 1_000_000_000

// Effective returns the limits with the defaults where nothing is set.
func (l Limits) Effective() Limits {
	l.Connections, l.Requests, l.UploadMiB = cmp.Or(l.Connections, 4096), cmp.Or(l.Requests, 1024), cmp.Or(l.UploadMiB, 128)
	for _, r := range l.rates() {
		*r.rate = cmp.Or(*r.rate, r.unset)
	}
	return l
}

// namedRate is a field of Limits with its default.
type namedRate struct {
	name  string
	rate  *Rate
	unset Rate
}

func (l *Limits) rates() []namedRate {
	return []namedRate{
		{"certificates", &l.Certificates, Rate{2000, 3000}},
		{"entries", &l.Entries, Rate{2000, 3000}},
		{"anonymous_entries", &l.AnonymousEntries, Rate{2000, 1200}},
		{"evidence", &l.Evidence, Rate{2000, 1200}},
		{"device_codes", &l.DeviceCodes, Rate{30, 12}},
		{"failed_logins", &l.FailedLogins, Rate{50, 10}},
		{"account_logins", &l.AccountLogins, Rate{10, 2}},
		{"account_logins_overall", &l.AccountLoginsOverall, Rate{50, 6}},
	}
}

// LogValue returns the limits for a log message, by their names in the file.
func (l Limits) LogValue() slog.Value {
	values := []slog.Attr{slog.Int("connections", l.Connections), slog.Int("requests", l.Requests), slog.Int("upload_mib", l.UploadMiB)}
	for _, r := range l.rates() {
		values = append(values, slog.String(r.name, fmt.Sprintf("%d, then %d a minute", r.rate.Burst, r.rate.PerMinute)))
	}
	return slog.GroupValue(values...)
}

func (l Limits) check() error {
	switch {
	case l.Connections < 0 || l.Requests < 0 || l.UploadMiB < 0:
		return errors.New("a limit is negative")
	case l.Effective().Connections < 4*l.Effective().Requests:
		return errors.New("connections must be at least four times requests: else requests that wait would keep others from asking")
	}
	for _, r := range l.rates() {
		if *r.rate != (Rate{}) && (r.rate.Burst < 1 || r.rate.PerMinute < 1 || r.rate.PerMinute > maxRate) {
			return fmt.Errorf("%s: burst and per_minute are both needed, from 1 to %d", r.name, maxRate)
		}
	}
	return nil
}

// Proxies reads TrustedProxies, each an address or a network.
func (c *Config) Proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if addr, alone := netip.ParseAddr(text); alone == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}
