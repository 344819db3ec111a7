// SPDX-License-Identifier: Apache-2.0

package sigalg

// Names of protobuf-specs' enums (common/v1/sigstore_common.proto), by number.
var (
	hashAlgorithms = [...]string{"HASH_ALGORITHM_UNSPECIFIED", "SHA2_256", "SHA2_384", "SHA2_512", "SHA3_256", "SHA3_384"}

	publicKeyDetails = [...]string{
		"PUBLIC_KEY_DETAILS_UNSPECIFIED", "PKCS1_RSA_PKCS1V5", "PKCS1_RSA_PSS", "PKIX_RSA_PKCS1V5", "PKIX_RSA_PSS",
		ECDSAP256SHA256, "PKIX_ECDSA_P256_HMAC_SHA_256", Ed25519, Ed25519ph,
		"PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PKCS1V15_3072_SHA256", "PKIX_RSA_PKCS1V15_4096_SHA256",
		ECDSAP384SHA384, "PKIX_ECDSA_P521_SHA_512", "LMS_SHA256", "LMOTS_SHA256",
		"PKIX_RSA_PSS_2048_SHA256", "PKIX_RSA_PSS_3072_SHA256", "PKIX_RSA_PSS_4096_SHA256",
		"PKIX_ECDSA_P384_SHA_256", "PKIX_ECDSA_P521_SHA_256", "ML_DSA_65", "ML_DSA_87", "ML_DSA_44",
	}
)

// HashAlgorithms returns the names of the enum HashAlgorithm by number, whether
// hallmark computes the hash or not. The caller must not change them.
func HashAlgorithms() []string { return hashAlgorithms[:] }

// PublicKeyDetails returns the names of the enum of that name by number, whether
// they are in the registry or not. The caller must not change them.
func PublicKeyDetails() []string { return publicKeyDetails[:] }
