// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"
)

// An images is a registry with an image, and the values that a client needs to reach it.
type images struct {
	host  string
	roots string // file with its certificate authority; empty: plain HTTP
	home  string // HOME, where docker would keep the credentials
	image string // HOST/REPO@DIGEST
}

// registries returns the registries that images are tested with: with and without the referrers
// API, in this process and in a separate one, with and without TLS and passwords.
func registries() map[string]func(t *testing.T) images {
	return map[string]func(t *testing.T) images{
		"ociregistry, with referrers": func(t *testing.T) images {
			server := httptest.NewServer(ociserver.New(ocimem.New(), nil))
			t.Cleanup(server.Close)
			return images{host: strings.TrimPrefix(server.URL, "http://"), home: t.TempDir()}
		},
		"distribution v3": func(t *testing.T) images {
			server := httptest.NewServer(distribution(t))
			t.Cleanup(server.Close)
			return images{host: strings.TrimPrefix(server.URL, "http://"), home: t.TempDir()}
		},
		"distribution 2.8, TLS and password": dockerRegistry,
	}
}

func distribution(t *testing.T) http.Handler {
	t.Helper()
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{
		"inmemory": configuration.Parameters{}, "delete": configuration.Parameters{"enabled": true},
	}}
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "error"
	return handlers.NewApp(context.Background(), config)
}

const (
	registryUser     = "alice"
	registryPassword = "in the registry"
	// registryHash is bcrypt of registryPassword, as htpasswd -B writes it.
	registryHash = "$2a$04$mf/454y4sGRmT4AEAaoKIeq5J4qibyqc6k12XnEqhfD5cF0EEsJh."
)

// dockerRegistry runs Debian's docker-registry, which has no referrers API.
func dockerRegistry(t *testing.T) images {
	t.Helper()
	bin, err := exec.LookPath("docker-registry")
	require(t, "docker-registry", err)
	dir, home := t.TempDir(), t.TempDir()
	cert, key := certificate(t, dir)
	host := freeAddress(t)
	config := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}
http: {addr: %q, tls: {certificate: %q, key: %q}}
auth: {htpasswd: {realm: registry, path: %q}}
`, filepath.Join(dir, "data"), host, cert, key, write(t, "htpasswd", []byte(registryUser+":"+registryHash+"\n")))
	cmd := exec.Command(bin, "serve", write(t, "registry.yaml", []byte(config)))
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	auth := base64.StdEncoding.EncodeToString([]byte(registryUser + ":" + registryPassword))
	if err := os.MkdirAll(filepath.Join(home, ".docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	credentials := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)
	if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(credentials), 0o600); err != nil {
		t.Fatal(err)
	}
	waitForTCP(t, host)
	return images{host: host, roots: cert, home: home}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitForTCP(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal(address, " does not answer")
}

// certificate makes one for loopback that is its own authority.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// push puts a new image into the registry.
func (i images) push(t *testing.T) images {
	t.Helper()
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, options := i.remote(t, "a/b:v1")
	if err := remote.Write(tag, image, options...); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	i.image = tag.Context().Digest(digest.String()).String()
	return i
}

// remote returns the reference and the options with which go-containerregistry reaches the
// registry.
func (i images) remote(t *testing.T, what string) (name.Tag, []remote.Option) {
	t.Helper()
	tag, err := name.NewTag(i.host + "/" + what)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	options := []remote.Option{remote.WithTransport(transport)}
	if i.roots != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(read(t, i.roots))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
		options = append(options, remote.WithAuth(&authn.Basic{Username: registryUser, Password: registryPassword}))
	}
	return tag, options
}

// args returns the flags for reaching the registry, which both clients share.
func (i images) args() []string {
	if i.roots == "" {
		return nil
	}
	return []string{"--registry-cacert", i.roots}
}

// imageClient signs and verifies images.
type imageClient struct {
	name         string
	sign, verify func(t *testing.T, r request, i images) error

	attest, verifyAttestation func(t *testing.T, r request, i images) error
}

func imageClients() []imageClient {
	by := func(binary func() (string, error), args func(r request) []string) func(*testing.T, request, images) error {
		return func(t *testing.T, r request, i images) error { return i.run(t, binary, args(r)...) }
	}
	signing := func(verb ...string) func(r request) []string {
		return func(r request) []string {
			return append(verb, "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig, "--identity-token", r.token)
		}
	}
	said := func(args []string, r request) []string {
		return append(args, "--predicate", r.predicate, "--type", r.predicateType)
	}
	ours := func(r request) []string {
		return []string{"verify", "--trusted-root", r.trustedRoot, "--identity", r.identity, "--issuer", r.issuer}
	}
	theirs := func(verb string, r request) []string {
		return []string{verb, "--trusted-root", r.trustedRoot, "--certificate-identity", r.identity, "--certificate-oidc-issuer", r.issuer}
	}
	return []imageClient{{
		name: "hallmark", sign: by(hallmarkBinary, signing("sign")), verify: by(hallmarkBinary, ours),
		attest:            by(hallmarkBinary, func(r request) []string { return said(signing("attest")(r), r) }),
		verifyAttestation: by(hallmarkBinary, func(r request) []string { return append(ours(r), "--type", r.predicateType) }),
	}, {
		name: "cosign", sign: by(cosignBinary, signing("sign", "--yes")),
		verify:            by(cosignBinary, func(r request) []string { return theirs("verify", r) }),
		attest:            by(cosignBinary, func(r request) []string { return said(signing("attest", "--yes")(r), r) }),
		verifyAttestation: by(cosignBinary, func(r request) []string { return append(theirs("verify-attestation", r), "--type", r.predicateType) }),
	}}
}

// run runs a client on the image, with the credentials of the registry at home.
func (i images) run(t *testing.T, binary func() (string, error), args ...string) error {
	t.Helper()
	bin, err := binary()
	require(t, filepath.Base(bin), err)
	return runAt(t, i.home, bin, append(append(args, i.args()...), i.image)...)
}

// TestImages checks for each client and registry that both clients verify its signatures and
// attestations, and refuse them for another signer.
func TestImages(t *testing.T) {
	r := newRequest(t)
	for registry, start := range registries() {
		t.Run(registry, func(t *testing.T) {
			at := start(t)
			for _, by := range imageClients() {
				i := at.push(t)
				everyImageClient(t, "an unsigned image", false, func(c imageClient) error { return c.verify(t, r, i) })
				if err := by.sign(t, r, i); err != nil {
					t.Fatalf("%s signing: %v", by.name, err)
				}
				bob := r
				bob.identity = "bob@example.com"
				everyImageClient(t, by.name+"'s signature", true, func(c imageClient) error { return c.verify(t, r, i) })
				everyImageClient(t, by.name+"'s signature as bob's", false, func(c imageClient) error { return c.verify(t, bob, i) })
				everyImageClient(t, by.name+"'s signature as attestation", false, func(c imageClient) error { return c.verifyAttestation(t, r, i) })
				if err := by.attest(t, r, i); err != nil {
					t.Fatalf("%s attesting: %v", by.name, err)
				}
				everyImageClient(t, by.name+"'s attestation", true, func(c imageClient) error { return c.verifyAttestation(t, r, i) })
				everyImageClient(t, by.name+"'s attestation as bob's", false, func(c imageClient) error { return c.verifyAttestation(t, bob, i) })
			}
		})
	}
}

func everyImageClient(t *testing.T, what string, good bool, verify func(imageClient) error) {
	t.Helper()
	for _, c := range imageClients() {
		if err := verify(c); (err == nil) != good {
			t.Errorf("%s on %s: %v", c.name, what, err)
		}
	}
}

// TestImagesUnseen checks that clients without credentials can't learn whether an image is
// signed.
func TestImagesUnseen(t *testing.T) {
	r := newRequest(t)
	i := dockerRegistry(t).push(t)
	i.home = t.TempDir()
	err := imageClients()[0].verify(t, r, i)
	if err == nil || !strings.Contains(err.Error(), "could-not-look") || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
}
