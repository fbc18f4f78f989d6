/*
 * secp256k1, SHA-256 and Keccak-256 in C, without JavaScript: what engine-bindings.c and key-bindings.c stand on.
 *
 * Sizes are in bytes. Functions that answer a bool say whether the answer is there; they accept any bytes.
 */
#ifndef CHAINMOTE_K1_H
#define CHAINMOTE_K1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { K1_SECRET_BYTES = 32, K1_DIGEST_BYTES = 32, K1_SIGNATURE_BYTES = 64, K1_PUBLIC_KEY_BYTES = 65, K1_COMPRESSED_BYTES = 33 };

/* Public values; not constant-time. `publicKey`: 33 bytes compressed or 65 uncompressed, no hybrid form. */
bool k1Verify(const uint8_t signature[64], const uint8_t digest[32], const uint8_t* publicKey, size_t publicKeyBytes, bool highS);
/* `recovery` is 0 or 1. */
bool k1Recover(uint8_t publicKey[65], const uint8_t signature[64], int recovery, const uint8_t digest[32]);

/* Secret values; constant-time, blinded once k1Blind has been called, and nothing of them is left on the C stack. */
bool k1IsSecret(const uint8_t secret[32]);
void k1PublicKey(uint8_t publicKey[65], const uint8_t secret[32]);
/* RFC 6979 with SHA-256, s ≤ n/2. */
bool k1Sign(uint8_t signature[64], const uint8_t digest[32], const uint8_t secret[32]);
void k1Blind(const uint8_t seed[32]);

typedef struct {
	uint64_t words[13];
} K1Sha256;
void k1Sha256Start(K1Sha256* hash);
void k1Sha256Write(K1Sha256* hash, const uint8_t* bytes, size_t count);
void k1Sha256End(K1Sha256* hash, uint8_t digest[32]);

typedef struct {
	K1Sha256 inner, outer;
} K1HmacSha256;
void k1HmacSha256Start(K1HmacSha256* hash, const uint8_t* key, size_t count);
void k1HmacSha256Write(K1HmacSha256* hash, const uint8_t* bytes, size_t count);
void k1HmacSha256End(K1HmacSha256* hash, uint8_t digest[32]);

typedef struct {
	uint64_t words[27];
} Keccak256;
void keccak256Start(Keccak256* hash);
void keccak256Write(Keccak256* hash, const uint8_t* bytes, size_t count);
void keccak256End(Keccak256* hash, uint8_t digest[32]);

/* Clears memory in a way that no compiler leaves out. */
void wipe(void* bytes, size_t count);

#endif
