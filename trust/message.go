// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"time"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// The messages of trustroot/v1/sigstore_trustroot.proto.
type (
	rootMessage struct {
		mediaType   protojson.String
		tlogs       []logMessage
		authorities []authorityMessage
		ctlogs      []logMessage
		timestamps  []authorityMessage
	}
	logMessage struct {
		baseURL       protojson.String
		hashAlgorithm int32
		publicKey     *publicKey
		logID         *logID
		checkpointID  *logID
		operator      protojson.String
	}
	authorityMessage struct {
		subject  *distinguishedName
		uri      protojson.String
		chain    *chain
		validFor *timeRange
		operator protojson.String
	}
	signingConfigMessage struct {
		mediaType                      protojson.String
		cas, oidcs, logs, timestamps   []serviceMessage
		logSelector, timestampSelector *serviceConfiguration
	}
	serviceMessage struct {
		url      protojson.String
		version  protojson.Uint32
		validFor *timeRange
		operator protojson.String
	}
	serviceConfiguration struct {
		selector int32
		count    protojson.Uint32
	}
)

// The messages of common/v1/sigstore_common.proto that they contain.
type (
	publicKey struct {
		raw      protojson.Bytes
		details  int32
		validFor *timeRange
	}
	logID             struct{ keyID protojson.Bytes }
	distinguishedName struct{ organization, commonName protojson.String }
	chain             struct{ certificates []certificate }
	certificate       struct{ raw protojson.Bytes }
	timeRange         struct{ start, end *time.Time }
)

// selectors lists the names of the enum ServiceSelector, by number.
var selectors = [...]string{"SERVICE_SELECTOR_UNDEFINED", "ALL", "ANY", "EXACT"}

func (m *rootMessage) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "mediaType", Value: &m.mediaType},
		{Name: "tlogs", Value: protojson.List(&m.tlogs)},
		{Name: "certificateAuthorities", Value: protojson.List(&m.authorities)},
		{Name: "ctlogs", Value: protojson.List(&m.ctlogs)},
		{Name: "timestampAuthorities", Value: protojson.List(&m.timestamps)},
	}
}

func (m *logMessage) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "baseUrl", Value: &m.baseURL},
		{Name: "hashAlgorithm", Value: m.hash()},
		{Name: "publicKey", Value: protojson.Optional(&m.publicKey)},
		{Name: "logId", Value: protojson.Optional(&m.logID)},
		{Name: "checkpointKeyId", Value: protojson.Optional(&m.checkpointID)},
		{Name: "operator", Value: &m.operator},
	}
}

// hash returns the hash algorithm with its name.
func (m *logMessage) hash() protojson.Enum {
	return protojson.Enum{At: &m.hashAlgorithm, Names: sigalg.HashAlgorithms()}
}

func (m *authorityMessage) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "subject", Value: protojson.Optional(&m.subject)},
		{Name: "uri", Value: &m.uri},
		{Name: "certChain", Value: protojson.Optional(&m.chain)},
		{Name: "validFor", Value: protojson.Optional(&m.validFor)},
		{Name: "operator", Value: &m.operator},
	}
}

func (m *signingConfigMessage) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "mediaType", Value: &m.mediaType},
		{Name: "caUrls", Value: protojson.List(&m.cas)},
		{Name: "oidcUrls", Value: protojson.List(&m.oidcs)},
		{Name: "rekorTlogUrls", Value: protojson.List(&m.logs)},
		{Name: "rekorTlogConfig", Value: protojson.Optional(&m.logSelector)},
		{Name: "tsaUrls", Value: protojson.List(&m.timestamps)},
		{Name: "tsaConfig", Value: protojson.Optional(&m.timestampSelector)},
	}
}

func (m *serviceMessage) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "url", Value: &m.url},
		{Name: "majorApiVersion", Value: &m.version},
		{Name: "validFor", Value: protojson.Optional(&m.validFor)},
		{Name: "operator", Value: &m.operator},
	}
}

func (m *serviceConfiguration) Members() []protojson.Member {
	return []protojson.Member{{Name: "selector", Value: m.mode()}, {Name: "count", Value: &m.count}}
}

// mode returns the selector with its name.
func (m *serviceConfiguration) mode() protojson.Enum {
	return protojson.Enum{At: &m.selector, Names: selectors[:]}
}

func (m *publicKey) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "rawBytes", Value: &m.raw},
		{Name: "keyDetails", Value: m.algorithm()},
		{Name: "validFor", Value: protojson.Optional(&m.validFor)},
	}
}

// algorithm returns the key's details with their name.
func (m *publicKey) algorithm() protojson.Enum {
	return protojson.Enum{At: &m.details, Names: sigalg.PublicKeyDetails()}
}

func (m *logID) Members() []protojson.Member {
	return []protojson.Member{{Name: "keyId", Value: &m.keyID}}
}

func (m *distinguishedName) Members() []protojson.Member {
	return []protojson.Member{{Name: "organization", Value: &m.organization}, {Name: "commonName", Value: &m.commonName}}
}

func (m *chain) Members() []protojson.Member {
	return []protojson.Member{{Name: "certificates", Value: protojson.List(&m.certificates)}}
}

func (m *certificate) Members() []protojson.Member {
	return []protojson.Member{{Name: "rawBytes", Value: &m.raw}}
}

func (m *timeRange) Members() []protojson.Member {
	return []protojson.Member{{Name: "start", Value: protojson.Timestamp(&m.start)}, {Name: "end", Value: protojson.Timestamp(&m.end)}}
}
