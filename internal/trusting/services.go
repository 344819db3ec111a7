// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"crypto/x509"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
)

// Services returns the services of the selected instance that can be used now, whose
// requests end after timeout, and the certificate authorities of its TLS, nil for those of
// the system.
func (f Selection) Services(env cli.Environment, timeout time.Duration) (*client.Services, *x509.CertPool, error) {
	config, err := f.Config(env)
	if err != nil {
		return nil, nil, err
	}
	roots, err := f.Authorities(env)
	if err != nil {
		return nil, nil, err
	}
	services, err := client.Open(config, time.Now(), env.HTTP(roots, timeout))
	return services, roots, err
}
