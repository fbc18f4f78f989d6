/*
 * TLS over any bytes and any calls: firmware/board/native/tls.c and tls-*.c, over the machine's mbedTLS. The engine is test/fuzz/engine. A broker is
 * mbedTLS's server, whose bytes come whole, in pieces, turned or not at all; without one the bytes are the input's.
 *
 * What has to hold: what is read is what the broker wrote, in its order, whatever comes between; no more is taken, read or written than was said.
 * The same input does the same: noise is no noise here.
 */
#include "engine.h"

#include "mbedtls/version.h"
#include "mbedtls/ctr_drbg.h"
#include "mbedtls/ecp.h"
#include "mbedtls/entropy.h"
#include "mbedtls/pk.h"
#include "mbedtls/ssl.h"
#include "mbedtls/x509_crt.h"
#include "tls-engine.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	#error "the broker of this fuzzer is written for mbedTLS 2.28, as Debian 12 has it"
#endif

enum { QUEUE_OCTETS = 1 << 16, CERTIFICATE_OCTETS = 1024, PIECES_MAX = 4096, WHOLE = 255, NOW_S = 1700000000, HOLDS_S = 3600 };
static const char HOST[] = "broker.test";

/* --- noise that is none --- */
static uint64_t gNoise;

static uint8_t noise(void)
{
	gNoise = gNoise * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(gNoise >> 56);
}

static int drawn(void* context, unsigned char* bytes, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++)
		bytes[i] = noise();
	return 0;
}

/* In the place of the library's (-Wl,--wrap). */
int __wrap_mbedtls_entropy_func(void* context, unsigned char* bytes, size_t count)
{
	if (worldByte() == 0x7f)
		return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
	return drawn(context, bytes, count);
}

/* --- the broker --- */
typedef struct {
	uint8_t bytes[QUEUE_OCTETS];
	size_t count;
} Queue;

static bool gServing;
static mbedtls_ssl_context gSsl;
static mbedtls_ssl_config gConfig;
static mbedtls_pk_context gKey;
static mbedtls_x509_crt gCertificate;
static Queue gToBroker, gToMote;
static uint8_t gWritten, gRead;
static const void* gSession;

static int send(void* context, const unsigned char* bytes, size_t count)
{
	Queue* queue = &gToMote;
	(void)context;
	if (count > QUEUE_OCTETS - queue->count)
		count = QUEUE_OCTETS - queue->count;
	if (count == 0)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	memcpy(queue->bytes + queue->count, bytes, count);
	queue->count += count;
	return (int)count;
}

static void taken(Queue* queue, size_t count)
{
	memmove(queue->bytes, queue->bytes + count, queue->count - count);
	queue->count -= count;
}

static int receive(void* context, unsigned char* bytes, size_t count)
{
	Queue* queue = &gToBroker;
	(void)context;
	if (queue->count == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (count > queue->count)
		count = queue->count;
	memcpy(bytes, queue->bytes, count);
	taken(queue, count);
	return (int)count;
}

/* A key and its certificate, made once: P-256, signed by itself. */
static void prepare(void)
{
	uint8_t der[CERTIFICATE_OCTETS];
	mbedtls_x509write_cert writing;
	mbedtls_mpi serial;
	if (gCertificate.version != 0)
		return;
	gNoise = 7;
	mbedtls_pk_init(&gKey);
	mbedtls_x509_crt_init(&gCertificate);
	mbedtls_x509write_crt_init(&writing);
	mbedtls_mpi_init(&serial);
	demand(mbedtls_pk_setup(&gKey, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0, "a place for a key");
	demand(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(gKey), drawn, NULL) == 0, "a key");
	mbedtls_x509write_crt_set_version(&writing, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&writing, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&writing, &gKey);
	mbedtls_x509write_crt_set_issuer_key(&writing, &gKey);
	bool named = mbedtls_x509write_crt_set_subject_name(&writing, "CN=broker.test") == 0 &&
		mbedtls_x509write_crt_set_issuer_name(&writing, "CN=broker.test") == 0 &&
		mbedtls_x509write_crt_set_validity(&writing, "20200101000000", "20400101000000") == 0 && mbedtls_mpi_lset(&serial, 1) == 0 &&
		mbedtls_x509write_crt_set_serial(&writing, &serial) == 0 && mbedtls_x509write_crt_set_basic_constraints(&writing, 1, -1) == 0;
	int length = mbedtls_x509write_crt_der(&writing, der, sizeof der, drawn, NULL);
	demand(named && length > 0, "a certificate");
	demand(mbedtls_x509_crt_parse_der(&gCertificate, der + sizeof der - length, (size_t)length) == 0, "a certificate that reads");
	mbedtls_mpi_free(&serial);
	mbedtls_x509write_crt_free(&writing);
}

static void stopServing(void)
{
	if (gServing) {
		mbedtls_ssl_free(&gSsl);
		mbedtls_ssl_config_free(&gConfig);
	}
	gServing = false;
	gToBroker.count = gToMote.count = 0;
	gWritten = gRead = 0;
	gSession = NULL;
}

static txInteger integerAt(txMachine* the, int index)
{
	return index < mxArgc ? fxToInteger(the, mxArgv(index)) : 0;
}

/* begin(secondsOff): a broker, and a session to it, as its result. */
static void begin(txMachine* the)
{
	txInteger off = integerAt(the, 0) % HOLDS_S;
	stopServing();
	mbedtls_ssl_init(&gSsl);
	mbedtls_ssl_config_init(&gConfig);
	gServing = true;
	demand(mbedtls_ssl_config_defaults(&gConfig, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) == 0, "a broker");
	mbedtls_ssl_conf_rng(&gConfig, drawn, NULL);
	demand(mbedtls_ssl_conf_own_cert(&gConfig, &gCertificate, &gKey) == 0 && mbedtls_ssl_setup(&gSsl, &gConfig) == 0, "a broker with its key");
	mbedtls_ssl_set_bio(&gSsl, NULL, send, receive, NULL);
	void xs_tls_open(txMachine*);
	the->argc = 3;
	fxArrayBuffer(the, &the->arguments[0], gCertificate.raw.p, (txInteger)gCertificate.raw.len, -1);
	fxString(the, &the->arguments[1], HOST);
	fxNumber(the, &the->arguments[2], NOW_S + off);
	xs_tls_open(the);
	if (the->result.kind == XS_REFERENCE_KIND)
		gSession = the->result.value.reference->data;
}

static TlsEngine* sessionOf(txMachine* the)
{
	void xs_tls_destructor(void*);
	if (mxArgc < 1)
		engineThrow(the, "a session");
	TlsEngine* engine = engineHostData(the, mxArgv(0), (void*)xs_tls_destructor);
	if (!engine || !gServing)
		engineThrow(the, "no session");
	return engine;
}

/* exchange(session, piece, turned): all that waits on both sides goes over, in pieces; one byte of it may be turned. */
static void exchange(txMachine* the)
{
	TlsEngine* engine = sessionOf(the);
	txInteger piece = integerAt(the, 1) & WHOLE, turned = integerAt(the, 2) & 0xffff;
	size_t most = piece == 0 || piece == WHOLE ? QUEUE_OCTETS : (size_t)piece;
	for (int i = 0; i < PIECES_MAX; i++) {
		size_t room = QUEUE_OCTETS - gToBroker.count, out = tlsTake(engine, gToBroker.bytes + gToBroker.count, room < most ? room : most);
		gToBroker.count += out;
		if (gSsl.state != MBEDTLS_SSL_HANDSHAKE_OVER)
			mbedtls_ssl_handshake(&gSsl);
		size_t in = gToMote.count < most ? gToMote.count : most;
		if (in > tlsRoom(engine))
			in = tlsRoom(engine);
		if (in > 0 && turned >= 1 << 8) {
			gToMote.bytes[(size_t)turned % in] ^= (uint8_t)(turned >> 8);
			turned = 0;
		}
		tlsFeed(engine, gToMote.bytes, in);
		taken(&gToMote, in);
		if (in == 0 && out == 0)
			return;
	}
}

/* said(count): the broker writes. */
static void said(txMachine* the)
{
	uint8_t bytes[WHOLE];
	size_t count = (size_t)(uint8_t)integerAt(the, 0) % WHOLE;
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)(gWritten + i);
	if (!gServing || gSsl.state != MBEDTLS_SSL_HANDSHAKE_OVER)
		return;
	int sent = mbedtls_ssl_write(&gSsl, bytes, count);
	if (sent > 0)
		gWritten = (uint8_t)(gWritten + sent);
}

/* leave(): the broker ends the session. */
static void leave(txMachine* the)
{
	(void)the;
	if (gServing)
		mbedtls_ssl_close_notify(&gSsl);
}

/* heard(): the broker reads. */
static void heard(txMachine* the)
{
	uint8_t bytes[WHOLE];
	(void)the;
	if (gServing && gSsl.state == MBEDTLS_SSL_HANDSHAKE_OVER)
		mbedtls_ssl_read(&gSsl, bytes, sizeof bytes);
}

/* Whether the call was one to the session with the broker. */
static bool ofBroker(txMachine* the)
{
	return !the->thrown && gSession != NULL && the->arguments[0].value.reference->data == gSession;
}

static void afterRead(txMachine* the)
{
	void* bytes;
	txUnsigned count;
	if (!ofBroker(the))
		return;
	if (the->result.kind == XS_INTEGER_KIND) {
		_xsmcGetBuffer(the, &the->arguments[1], &bytes, &count, false);
		demand((txUnsigned)the->result.value.integer <= count, "no more than there is room for");
		count = (txUnsigned)the->result.value.integer;
	} else
		_xsmcGetBuffer(the, &the->result, &bytes, &count, false);
	for (txUnsigned i = 0; i < count; i++)
		demand(((uint8_t*)bytes)[i] == gRead++, "what the broker wrote");
	targetReached += count > 0;
}

static void afterReadByte(txMachine* the)
{
	if (ofBroker(the) && the->result.value.integer >= 0)
		demand(the->result.value.integer == gRead++, "what the broker wrote");
}

#define ALL(NATIVE) \
	NATIVE(xs_tls_open, "bsn", NULL) \
	NATIVE(xs_tls_end, "h", NULL) \
	NATIVE(xs_tls_close, "h", NULL) \
	NATIVE(xs_tls_status, "h", NULL) \
	NATIVE(xs_tls_fault, "h", NULL) \
	NATIVE(xs_tls_room, "h", NULL) \
	NATIVE(xs_tls_feed, "hb", NULL) \
	NATIVE(xs_tls_take, "hi", NULL) \
	NATIVE(xs_tls_read, "hi", afterRead) \
	NATIVE(xs_tls_read_byte, "h", afterReadByte) \
	NATIVE(xs_tls_fits, "hi", NULL) \
	NATIVE(xs_tls_write, "hbii", NULL)
#define DECLARED(name, takes, after) void name(txMachine* the);
ALL(DECLARED)
#define LISTED(name, takes, after) { #name, name, takes, after },
unsigned targetReached;

const Native NATIVES_HERE[] = {
	ALL(LISTED)
	{ "into", xs_tls_read, "hb", afterRead },
	{ "begin", begin, "i", NULL },
	{ "exchange", exchange, "hii", NULL },
	{ "said", said, "i", NULL },
	{ "leave", leave, "", NULL },
	{ "heard", heard, "", NULL },
};
const size_t NATIVES_HERE_COUNT = sizeof NATIVES_HERE / sizeof *NATIVES_HERE;
const bool NATIVES_HERE_COUNT_ARGUMENTS = true;

void targetBegins(void)
{
	prepare();
	gNoise = 1;
}

void targetEnds(void)
{
	stopServing();
}
