/*
 * A client's TLS session without a socket: bytes in, bytes out (RFC 5246, RFC 8446).
 *
 * Promises: no application byte is taken or handed out before the broker's certificate is verified: its chain ends in the one
 * certificate that is pinned, it names the host (RFC 6125: subjectAltName), and every certificate of it, the pinned one
 * too, is valid by the clock that `now` was read from; RSA of 2,048 bits and more and ECDSA, SHA-256 and more; TLS 1.2 and,
 * where the linked mbedTLS has it, 1.3; AEAD suites with an ephemeral key exchange alone. Each buffer has one size, named
 * here. A fault is final, and has a name.
 * Never: logs, allocates outside of mbedTLS's allocator, or keeps plaintext once it was read.
 */
#ifndef TLS_ENGINE_H
#define TLS_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "tls-faults.h"

enum {
	/* Ciphertext that waits to be decrypted, beside mbedTLS's own record buffer. */
	TLS_IN_BYTES = 1024,
	/* Plaintext of one record that we send. */
	TLS_RECORD_BYTES = 1024,
	/* What a record takes besides: header, explicit nonce, tag; 29 with TLS 1.2 and GCM. */
	TLS_EXPANSION_BYTES_MAX = 64,
	/* Ciphertext that waits to be sent: one whole record, and an alert. */
	TLS_OUT_BYTES = TLS_RECORD_BYTES + 2 * TLS_EXPANSION_BYTES_MAX,
	/* Of the pinned certificate, DER. */
	TLS_CA_BYTES_MAX = 4096,
	TLS_HOST_BYTES_MAX = 253
};

typedef enum { TLS_HANDSHAKE, TLS_OPEN, TLS_ENDED, TLS_FAILED } TlsState;

typedef struct TlsEngine TlsEngine;

/* NULL with *fault where it cannot be. `nowS`: seconds since 1970. */
TlsEngine *tlsOpen(const uint8_t *ca, size_t caBytes, const char *host, int64_t nowS, TlsFault *fault);
/* Sends the closing alert where the session is open; what it takes to send is there to be taken. */
void tlsEnd(TlsEngine *engine);
/* Frees all; NULL is nothing. */
void tlsClose(TlsEngine *engine);

TlsState tlsState(const TlsEngine *engine);
TlsFault tlsFault(const TlsEngine *engine);

/* How much ciphertext `tlsFeed` takes now. */
size_t tlsRoom(const TlsEngine *engine);
/* At most `tlsRoom` bytes from the broker. */
void tlsFeed(TlsEngine *engine, const uint8_t *bytes, size_t count);
/* Bytes for the broker: how many wait, and up to `count` of them, taken. */
size_t tlsWaiting(const TlsEngine *engine);
size_t tlsTake(TlsEngine *engine, uint8_t *bytes, size_t count);

/* Plaintext that can be read: of one record. */
size_t tlsAvailable(const TlsEngine *engine);
size_t tlsRead(TlsEngine *engine, uint8_t *bytes, size_t count);

/* How much plaintext may be written where `cipherRoom` bytes may be sent. */
size_t tlsFits(const TlsEngine *engine, size_t cipherRoom);
/*
 * Takes plaintext for one record; `more` says that what follows goes into the same one. Answers how much it took: the rest goes
 * into the next record, and nothing is taken while ciphertext waits.
 */
size_t tlsWrite(TlsEngine *engine, const uint8_t *bytes, size_t count, int more);

#endif
