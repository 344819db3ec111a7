package trust

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	trustpb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// MediaTypeRoot is the trusted root's media type that every client accepts;
// Marshal writes it.
const MediaTypeRoot = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"

const mediaTypeRoot02 = "application/vnd.dev.sigstore.trustedroot.v0.2+json"

// MaxSize is how many bytes of JSON Parse and ParseSigningConfig accept.
const MaxSize = 4 << 20

// ErrMalformed is the cause of every refusal of Parse and ParseSigningConfig.
var ErrMalformed = errors.New("malformed trust material")

// Root is a trusted root: the logs and authorities whose word counts.
type Root struct {
	Logs                   []Log // transparency logs
	CTLogs                 []Log
	CertificateAuthorities []Authority
	TimestampAuthorities   []Authority
}

// Log is a transparency log or a CT log.
type Log struct {
	BaseURL   string // its host name is the origin of a Rekor v2 log's checkpoints
	ID        []byte // SHA-256, 32 bytes; what log entries and SCTs name
	Key       crypto.PublicKey
	Algorithm sigalg.Algorithm
	Validity  Validity
	Operator  string
}

// Authority is a certificate or timestamp authority.
type Authority struct {
	URI      string
	Chain    []*x509.Certificate // root last; a timestamp authority's own certificate may come first
	Validity Validity
	Operator string
}

// Parse reads a trusted root. Errors: ErrMalformed.
func Parse(raw []byte) (*Root, error) {
	root, err := parseRoot(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing trusted root: %w: %w", ErrMalformed, err)
	}
	return root, nil
}

func parseRoot(raw []byte) (*Root, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(raw), MaxSize)
	}
	var pb trustpb.TrustedRoot
	if err := protojson.Unmarshal(raw, &pb); err != nil {
		return nil, err
	}
	if m := pb.GetMediaType(); m != MediaTypeRoot && m != mediaTypeRoot02 {
		return nil, fmt.Errorf("media type %.100q", m)
	}
	root := new(Root)
	for _, read := range []func() error{
		func() (err error) { root.Logs, err = each("log", pb.GetTlogs(), logFromProto); return },
		func() (err error) { root.CTLogs, err = each("CT log", pb.GetCtlogs(), logFromProto); return },
		func() (err error) {
			root.CertificateAuthorities, err = each("certificate authority", pb.GetCertificateAuthorities(), authorityFromProto)
			return
		},
		func() (err error) {
			root.TimestampAuthorities, err = each("timestamp authority", pb.GetTimestampAuthorities(), authorityFromProto)
			return
		},
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// each reads a list, naming the place of what it refuses.
func each[P, T any](what string, list []P, read func(P) (T, error)) ([]T, error) {
	var out []T
	for i, pb := range list {
		t, err := read(pb)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func logFromProto(pb *trustpb.TransparencyLogInstance) (Log, error) {
	if pb.GetHashAlgorithm() != commonpb.HashAlgorithm_SHA2_256 {
		return Log{}, fmt.Errorf("hash algorithm %s, want SHA2_256", pb.GetHashAlgorithm())
	}
	if n := len(pb.GetLogId().GetKeyId()); n != 32 {
		return Log{}, fmt.Errorf("log ID of %d bytes, want 32", n)
	}
	key, algorithm, err := keyFromProto(pb.GetPublicKey())
	if err != nil {
		return Log{}, fmt.Errorf("public key: %w", err)
	}
	validity, err := validityFromProto(pb.GetPublicKey().GetValidFor())
	if err != nil {
		return Log{}, err
	}
	return Log{
		BaseURL: pb.GetBaseUrl(), ID: pb.GetLogId().GetKeyId(), Key: key,
		Algorithm: algorithm, Validity: validity, Operator: pb.GetOperator(),
	}, nil
}

// keyFromProto reads a key in the form that its details name. The deprecated
// PKCS1_RSA_PKCS1V5 is how older trusted roots write RSA log keys.
func keyFromProto(pb *commonpb.PublicKey) (crypto.PublicKey, sigalg.Algorithm, error) {
	if pb.GetKeyDetails().String() == "PKCS1_RSA_PKCS1V5" {
		key, err := x509.ParsePKCS1PublicKey(pb.GetRawBytes())
		if err != nil {
			return nil, sigalg.Algorithm{}, err
		}
		algorithm, err := sigalg.ForKey(key)
		return key, algorithm, err
	}
	algorithm, err := sigalg.ByName(pb.GetKeyDetails().String())
	if err != nil {
		return nil, sigalg.Algorithm{}, err
	}
	key, err := x509.ParsePKIXPublicKey(pb.GetRawBytes())
	if err != nil {
		return nil, sigalg.Algorithm{}, err
	}
	return key, algorithm, algorithm.CheckKey(key)
}

func authorityFromProto(pb *trustpb.CertificateAuthority) (Authority, error) {
	authority := Authority{URI: pb.GetUri(), Operator: pb.GetOperator()}
	for i, c := range pb.GetCertChain().GetCertificates() {
		cert, err := x509.ParseCertificate(c.GetRawBytes())
		if err != nil {
			return Authority{}, fmt.Errorf("certificate %d: %w", i, err)
		}
		authority.Chain = append(authority.Chain, cert)
	}
	if len(authority.Chain) == 0 {
		return Authority{}, errors.New("no certificates")
	}
	validity, err := validityFromProto(pb.GetValidFor())
	authority.Validity = validity
	return authority, err
}

// Marshal writes the trusted root as JSON; Parse reads it back.
func (r *Root) Marshal() ([]byte, error) {
	pb := &trustpb.TrustedRoot{MediaType: MediaTypeRoot}
	for _, list := range []struct {
		logs []Log
		to   *[]*trustpb.TransparencyLogInstance
	}{{r.Logs, &pb.Tlogs}, {r.CTLogs, &pb.Ctlogs}} {
		for _, l := range list.logs {
			log, err := l.proto()
			if err != nil {
				return nil, fmt.Errorf("marshalling trusted root: %w", err)
			}
			*list.to = append(*list.to, log)
		}
	}
	for _, a := range r.CertificateAuthorities {
		pb.CertificateAuthorities = append(pb.CertificateAuthorities, a.proto())
	}
	for _, a := range r.TimestampAuthorities {
		pb.TimestampAuthorities = append(pb.TimestampAuthorities, a.proto())
	}
	return protojson.MarshalOptions{Multiline: true}.Marshal(pb)
}

func (l Log) proto() (*trustpb.TransparencyLogInstance, error) {
	der, err := x509.MarshalPKIXPublicKey(l.Key)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return &trustpb.TransparencyLogInstance{
		BaseUrl:       l.BaseURL,
		HashAlgorithm: commonpb.HashAlgorithm_SHA2_256,
		PublicKey: &commonpb.PublicKey{
			RawBytes:   der,
			KeyDetails: commonpb.PublicKeyDetails(commonpb.PublicKeyDetails_value[l.Algorithm.Name]),
			ValidFor:   l.Validity.proto(),
		},
		LogId:    &commonpb.LogId{KeyId: l.ID},
		Operator: l.Operator,
	}, nil
}

// proto names the authority by its root's subject.
func (a Authority) proto() *trustpb.CertificateAuthority {
	pb := &trustpb.CertificateAuthority{
		Uri: a.URI, ValidFor: a.Validity.proto(), Operator: a.Operator,
		CertChain: &commonpb.X509CertificateChain{},
	}
	for _, c := range a.Chain {
		pb.CertChain.Certificates = append(pb.CertChain.Certificates, &commonpb.X509Certificate{RawBytes: c.Raw})
	}
	subject := a.Chain[len(a.Chain)-1].Subject
	pb.Subject = &commonpb.DistinguishedName{CommonName: subject.CommonName}
	if len(subject.Organization) > 0 {
		pb.Subject.Organization = subject.Organization[0]
	}
	return pb
}
