/* See tls-engine.h. Written for mbedTLS 2.28, 3.6 and 4 (ESP-IDF 6.0): what differs is below, by MBEDTLS_VERSION_NUMBER. */

#include "tls-config.h"
#include "tls-engine.h"

#include <string.h>

#include "mbedtls/version.h"
#include "mbedtls/platform.h"
#include "mbedtls/ssl.h"
#include "mbedtls/ssl_ciphersuites.h"
#include "mbedtls/x509_crt.h"
#include "tls-dates.h"
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	#include "psa/crypto.h"
	#if MBEDTLS_VERSION_NUMBER < 0x04000000
		#include "mbedtls/psa_util.h"
	#endif
#else
	#include "mbedtls/ctr_drbg.h"
	#include "mbedtls/entropy.h"
#endif

struct TlsEngine {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_x509_crt ca;
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
#endif
	int64_t now;
	TlsState state;
	TlsFault fault;
	size_t available;
	size_t expansion;
	size_t record;
	/* [at, end) of each buffer is what waits. */
	size_t inAt, inEnd;
	size_t outAt, outEnd;
	/* Plaintext that waits for the rest of its record. */
	size_t held;
	uint8_t in[TLS_IN_BYTES];
	uint8_t out[TLS_OUT_BYTES];
	uint8_t plain[TLS_RECORD_BYTES];
};

/* AEAD with an ephemeral key alone; hardware AES comes first. Those of 1.3 are unknown to a library without it. */
static const int SUITES[] = {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	0
};

/*
 * Short records are asked for by max_fragment_length (RFC 6066) where the library speaks TLS 1.2 alone: a client of mbedTLS with 1.3
 * (seen with 4.0) refuses a broker that answers to it in 1.3, as OpenSSL does. There the library asks by record_size_limit (RFC 8449).
 */
#if defined(MBEDTLS_SSL_MAX_FRAGMENT_LENGTH) && !defined(MBEDTLS_SSL_PROTO_TLS1_3)
	/* It asks for no more than it can send as well. */
	#if MBEDTLS_SSL_OUT_CONTENT_LEN >= 4096
		#define FRAGMENT MBEDTLS_SSL_MAX_FRAG_LEN_4096
	#else
		#define FRAGMENT MBEDTLS_SSL_MAX_FRAG_LEN_2048
	#endif
#endif

/* Once for each certificate of the chain. The library's own word on dates, if any, is by another clock than ours. */
static int judgeDates(void *refcon, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	const TlsEngine *engine = refcon;
	(void)depth;
	*flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
	*flags |= dateFlags(certificate, engine->now);
	return 0;
}

static int bioSend(void *refcon, const unsigned char *bytes, size_t count)
{
	TlsEngine *engine = refcon;
	size_t room;
	if (engine->outAt > 0) {
		memmove(engine->out, engine->out + engine->outAt, engine->outEnd - engine->outAt);
		engine->outEnd -= engine->outAt;
		engine->outAt = 0;
	}
	room = TLS_OUT_BYTES - engine->outEnd;
	if (room == 0)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	if (count > room)
		count = room;
	memcpy(engine->out + engine->outEnd, bytes, count);
	engine->outEnd += count;
	return (int)count;
}

static int bioReceive(void *refcon, unsigned char *bytes, size_t count)
{
	TlsEngine *engine = refcon;
	size_t waiting = engine->inEnd - engine->inAt;
	if (waiting == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (count > waiting)
		count = waiting;
	memcpy(bytes, engine->in + engine->inAt, count);
	engine->inAt += count;
	return (int)count;
}

static int setRandom(TlsEngine *engine)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	if (psa_crypto_init() != PSA_SUCCESS)
		return -1;
	#if MBEDTLS_VERSION_NUMBER < 0x04000000
	mbedtls_ssl_conf_rng(&engine->config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	#else
	(void)engine;
	#endif
	return 0;
#else
	if (mbedtls_ctr_drbg_seed(&engine->drbg, mbedtls_entropy_func, &engine->entropy, NULL, 0) != 0)
		return -1;
	mbedtls_ssl_conf_rng(&engine->config, mbedtls_ctr_drbg_random, &engine->drbg);
	return 0;
#endif
}

static void setVersions(mbedtls_ssl_config *config)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
	mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

static TlsFault setUp(TlsEngine *engine, const uint8_t *ca, size_t caBytes, const char *host)
{
	mbedtls_ssl_config *config = &engine->config;
	uint32_t flags;
	int error;
	if (setRandom(engine) != 0)
		return TLS_FAULT_NOISE;
	if (mbedtls_x509_crt_parse_der(&engine->ca, ca, caBytes) != 0)
		return TLS_FAULT_CA;
	/* No connection is worth its while then: as long as the clock is not set, above all. */
	flags = dateFlags(&engine->ca, engine->now);
	if (flags != 0)
		return flags & MBEDTLS_X509_BADCERT_EXPIRED ? TLS_FAULT_CA_EXPIRED : TLS_FAULT_CA_FUTURE;
	if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		return TLS_FAULT_SETUP;
	setVersions(config);
	mbedtls_ssl_conf_ciphersuites(config, SUITES);
	mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(config, &engine->ca, NULL);
	mbedtls_ssl_conf_verify(config, judgeDates, engine);
#if defined(FRAGMENT)
	if (mbedtls_ssl_conf_max_frag_len(config, FRAGMENT) != 0)
		return TLS_FAULT_SETUP;
#endif
#if defined(MBEDTLS_SSL_SESSION_TICKETS)
	mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#endif
	error = mbedtls_ssl_setup(&engine->ssl, config);
	if (error == 0)
		error = mbedtls_ssl_set_hostname(&engine->ssl, host);
	if (error != 0)
		return error == MBEDTLS_ERR_SSL_ALLOC_FAILED ? TLS_FAULT_MEMORY : TLS_FAULT_SETUP;
	mbedtls_ssl_set_bio(&engine->ssl, engine, bioSend, bioReceive, NULL);
	return TLS_FAULT_NONE;
}

static void fail(TlsEngine *engine, int error)
{
	engine->fault = tlsFaultOf(error, mbedtls_ssl_get_verify_result(&engine->ssl));
	engine->state = TLS_FAILED;
	engine->available = 0;
}

static int wants(int error)
{
	return error == MBEDTLS_ERR_SSL_WANT_READ || error == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static void opened(TlsEngine *engine)
{
	int expansion = mbedtls_ssl_get_record_expansion(&engine->ssl);
#if MBEDTLS_VERSION_NUMBER >= 0x02190000 /* 2.25 */
	int payload = mbedtls_ssl_get_max_out_record_payload(&engine->ssl);
#else
	int payload = TLS_RECORD_BYTES;
#endif
	if (expansion < 0 || expansion > TLS_EXPANSION_BYTES_MAX || payload <= 0) {
		engine->fault = TLS_FAULT_SUITE;
		engine->state = TLS_FAILED;
		return;
	}
	engine->expansion = (size_t)expansion;
	engine->record = payload < TLS_RECORD_BYTES ? (size_t)payload : TLS_RECORD_BYTES;
	engine->state = TLS_OPEN;
	/* Nothing is verified after the handshake: renegotiation is off. */
	mbedtls_ssl_conf_ca_chain(&engine->config, NULL, NULL);
	mbedtls_x509_crt_free(&engine->ca);
	mbedtls_x509_crt_init(&engine->ca);
}

/* Decrypts what waits, until there is plaintext or nothing whole is left. Each turn takes at least a record. */
static void decrypt(TlsEngine *engine)
{
	unsigned char none;
	while (engine->state == TLS_OPEN && engine->available == 0) {
		size_t before = engine->inAt;
		int error = mbedtls_ssl_read(&engine->ssl, &none, 0);
		engine->available = mbedtls_ssl_get_bytes_avail(&engine->ssl);
		if (engine->available > 0 || wants(error))
			return;
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
		if (error == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
			continue;
#endif
		if (error == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
			engine->state = TLS_ENDED;
		else if (error < 0)
			fail(engine, error);
		else if (engine->inAt == before)
			return;
	}
}

static void step(TlsEngine *engine)
{
	if (engine->state == TLS_HANDSHAKE) {
		int error = mbedtls_ssl_handshake(&engine->ssl);
		if (error == 0)
			opened(engine);
		else if (error == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
			engine->state = TLS_ENDED;
		else if (!wants(error))
			fail(engine, error);
	}
	decrypt(engine);
}

TlsEngine *tlsOpen(const uint8_t *ca, size_t caBytes, const char *host, int64_t nowS, TlsFault *fault)
{
	TlsEngine *engine;
	size_t hostBytes = strlen(host);
	*fault = TLS_FAULT_NONE;
	if (hostBytes == 0 || hostBytes > TLS_HOST_BYTES_MAX)
		*fault = TLS_FAULT_HOST;
	else if (caBytes == 0 || caBytes > TLS_CA_BYTES_MAX)
		*fault = TLS_FAULT_CA;
	if (*fault != TLS_FAULT_NONE)
		return NULL;
	engine = mbedtls_calloc(1, sizeof(*engine));
	if (engine == NULL) {
		*fault = TLS_FAULT_MEMORY;
		return NULL;
	}
	mbedtls_ssl_init(&engine->ssl);
	mbedtls_ssl_config_init(&engine->config);
	mbedtls_x509_crt_init(&engine->ca);
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	mbedtls_entropy_init(&engine->entropy);
	mbedtls_ctr_drbg_init(&engine->drbg);
#endif
	engine->now = dateOfSeconds(nowS);
	*fault = setUp(engine, ca, caBytes, host);
	if (*fault != TLS_FAULT_NONE) {
		tlsClose(engine);
		return NULL;
	}
	step(engine);
	return engine;
}

void tlsEnd(TlsEngine *engine)
{
	if (engine->state == TLS_OPEN || engine->state == TLS_ENDED)
		(void)mbedtls_ssl_close_notify(&engine->ssl); /* a courtesy: nothing more can be done where it does not fit */
	engine->state = TLS_ENDED;
	engine->available = 0;
}

void tlsClose(TlsEngine *engine)
{
	if (engine == NULL)
		return;
	mbedtls_ssl_free(&engine->ssl);
	mbedtls_ssl_config_free(&engine->config);
	mbedtls_x509_crt_free(&engine->ca);
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	mbedtls_ctr_drbg_free(&engine->drbg);
	mbedtls_entropy_free(&engine->entropy);
#endif
	{
		volatile uint8_t *plain = engine->plain;
		for (size_t i = 0; i < sizeof(engine->plain); i++)
			plain[i] = 0;
	}
	mbedtls_free(engine);
}

TlsState tlsState(const TlsEngine *engine)
{
	return engine->state;
}

TlsFault tlsFault(const TlsEngine *engine)
{
	return engine->fault;
}

size_t tlsRoom(const TlsEngine *engine)
{
	if (engine->state == TLS_ENDED || engine->state == TLS_FAILED)
		return 0;
	return TLS_IN_BYTES - (engine->inEnd - engine->inAt);
}

void tlsFeed(TlsEngine *engine, const uint8_t *bytes, size_t count)
{
	size_t room = tlsRoom(engine);
	if (count > room)
		count = room;
	memmove(engine->in, engine->in + engine->inAt, engine->inEnd - engine->inAt);
	engine->inEnd -= engine->inAt;
	engine->inAt = 0;
	memcpy(engine->in + engine->inEnd, bytes, count);
	engine->inEnd += count;
	step(engine);
}

size_t tlsWaiting(const TlsEngine *engine)
{
	return engine->outEnd - engine->outAt;
}

size_t tlsTake(TlsEngine *engine, uint8_t *bytes, size_t count)
{
	size_t waiting = tlsWaiting(engine);
	if (count > waiting)
		count = waiting;
	memcpy(bytes, engine->out + engine->outAt, count);
	engine->outAt += count;
	/* A flight that was longer than the buffer goes on. */
	if (engine->state == TLS_HANDSHAKE)
		step(engine);
	return count;
}

size_t tlsAvailable(const TlsEngine *engine)
{
	return engine->available;
}

size_t tlsRead(TlsEngine *engine, uint8_t *bytes, size_t count)
{
	int got;
	if (count > engine->available)
		count = engine->available;
	if (count == 0)
		return 0;
	got = mbedtls_ssl_read(&engine->ssl, bytes, count);
	if (got <= 0) {
		fail(engine, got);
		return 0;
	}
	engine->available -= (size_t)got;
	if (engine->available == 0)
		decrypt(engine);
	return (size_t)got;
}

size_t tlsFits(const TlsEngine *engine, size_t cipherRoom)
{
	size_t whole, fits, rest, waiting = tlsWaiting(engine);
	if (engine->state != TLS_OPEN || waiting >= cipherRoom)
		return 0;
	cipherRoom -= waiting;
	whole = cipherRoom / (engine->record + engine->expansion);
	rest = cipherRoom % (engine->record + engine->expansion);
	fits = whole * engine->record + (rest > engine->expansion ? rest - engine->expansion : 0);
	return fits > engine->held ? fits - engine->held : 0;
}

size_t tlsWrite(TlsEngine *engine, const uint8_t *bytes, size_t count, int more)
{
	size_t room = engine->record - engine->held;
	int sent;
	if (engine->state != TLS_OPEN || tlsWaiting(engine) > 0)
		return 0;
	if (count <= room) {
		memcpy(engine->plain + engine->held, bytes, count);
		engine->held += count;
		if (more && engine->held < engine->record)
			return count;
	} else {
		memcpy(engine->plain + engine->held, bytes, room);
		engine->held = engine->record;
		count = room;
	}
	if (engine->held == 0)
		return count;
	/* One record, for no more is held than one takes; all of it fits, for nothing else waits. */
	sent = mbedtls_ssl_write(&engine->ssl, engine->plain, engine->held);
	if (sent != (int)engine->held)
		fail(engine, sent);
	engine->held = 0;
	return count;
}
