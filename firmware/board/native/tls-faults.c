/* See tls-faults.h. */

#include "tls-config.h"
#include "tls-faults.h"

#include "mbedtls/ssl.h"
#include "mbedtls/version.h"
#include "mbedtls/x509_crt.h"

static const char *const FAULT_TEXTS[] = {
#define FAULT(name, text) text,
	TLS_FAULTS(FAULT)
#undef FAULT
};

const char *tlsFaultText(TlsFault fault)
{
	return FAULT_TEXTS[fault];
}

static TlsFault faultOfFlags(uint32_t flags)
{
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return TLS_FAULT_UNTRUSTED;
	if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
		return TLS_FAULT_NAME;
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return TLS_FAULT_EXPIRED;
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		return TLS_FAULT_FUTURE;
	if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY))
		return TLS_FAULT_WEAK;
	return TLS_FAULT_CERTIFICATE;
}

TlsFault tlsFaultOf(int error, uint32_t flags)
{
	switch (error) {
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return faultOfFlags(flags);
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
#if MBEDTLS_ERR_X509_ALLOC_FAILED != MBEDTLS_ERR_SSL_ALLOC_FAILED
	case MBEDTLS_ERR_X509_ALLOC_FAILED:
#endif
		return TLS_FAULT_MEMORY;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return TLS_FAULT_ALERT;
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	case MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION:
	case MBEDTLS_ERR_SSL_BAD_HS_SERVER_HELLO:
		return error == MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION ? TLS_FAULT_VERSION : TLS_FAULT_SUITE;
	case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN:
		return TLS_FAULT_SUITE;
#else
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
		return TLS_FAULT_VERSION;
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
		return TLS_FAULT_SUITE;
#endif
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
	case MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL:
		return TLS_FAULT_RECORD;
	case MBEDTLS_ERR_SSL_INVALID_MAC:
		return TLS_FAULT_FORGED;
	default:
		return TLS_FAULT_PROTOCOL;
	}
}
