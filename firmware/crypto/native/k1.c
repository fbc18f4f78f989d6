/*
 * libsecp256k1 0.8.0, from the C sources that `npm run native` fetches, and its SHA-256.
 *
 * Promises: the 10×26 field and 8×32 scalar (what a 32-bit core is fast with), no allocation ever, and all tables constant,
 * so in flash: a comb of 22 KB for k·G (11 blocks of 6 teeth) and 32 KB of odd multiples of G and 2^128·G for verification.
 * Verification and recovery use the library's static context; signing and key generation one in a place of its own, blinded
 * at each start, by the constant-time path. ECDH is compiled, and left out by the linker while nothing calls it.
 * Never: a function that answers a secret.
 *
 * A manifest whose `defines` have `chainmote.smallflash` takes 8 KB of odd multiples instead of 32.
 *
 * The include path must have the library's root, build/libsecp256k1.
 */
#ifdef ESP32
	#include "mc.defines.h"
#endif
#undef HAVE_CONFIG_H
#define USE_FORCE_WIDEMUL_INT64 1
#define COMB_BLOCKS 11
#define COMB_TEETH 6
#if MODDEF_CHAINMOTE_SMALLFLASH
#define ECMULT_WINDOW_SIZE 8
#else
#define ECMULT_WINDOW_SIZE 10
#endif
#define ENABLE_MODULE_RECOVERY 1
#define ENABLE_MODULE_ECDH 1
#define USE_EXTERNAL_DEFAULT_CALLBACKS 1

#include "k1.h"

#include <stdlib.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "src/secp256k1.c"
#include "src/precomputed_ecmult.c"
#include "src/precomputed_ecmult_gen.c"
#pragma GCC diagnostic pop

enum { STACK_BURN_WORDS = 640 };

/* Both mean a mistake of ours: arguments are checked before the library sees them. */
void secp256k1_default_illegal_callback_fn(const char* message, void* data)
{
	(void)message;
	(void)data;
	abort();
}

void secp256k1_default_error_callback_fn(const char* message, void* data)
{
	(void)message;
	(void)data;
	abort();
}

/* For secret values; made at the first use, which also runs the library's self-test. */
static secp256k1_context gSign;

static const secp256k1_context* signing(void)
{
	if (!secp256k1_context_is_proper(&gSign) &&
		secp256k1_context_preallocated_create(&gSign, SECP256K1_CONTEXT_NONE) != &gSign)
		abort();
	return &gSign;
}

void wipe(void* bytes, size_t count)
{
	volatile uint8_t* p = bytes;
	while (count--)
		*p++ = 0;
}

/* The library's clearing of its locals is an ordinary assignment, which a compiler may drop; so their place is
 * overwritten from outside. Signing goes 1.5 KB deep. */
static __attribute__((noinline)) void burnStack(void)
{
	uint32_t words[STACK_BURN_WORDS];
	volatile uint32_t* word = words;
	for (size_t i = 0; i < STACK_BURN_WORDS; i++)
		word[i] = 0;
}

static bool parsePublicKey(secp256k1_pubkey* key, const uint8_t* bytes, size_t count)
{
	bool compressed = count == K1_COMPRESSED_BYTES && (bytes[0] == 2 || bytes[0] == 3);
	bool uncompressed = count == K1_PUBLIC_KEY_BYTES && bytes[0] == 4;
	return (compressed || uncompressed) && secp256k1_ec_pubkey_parse(secp256k1_context_static, key, bytes, count);
}

bool k1Verify(const uint8_t signature[64], const uint8_t digest[32], const uint8_t* publicKey, size_t publicKeyBytes, bool highS)
{
	secp256k1_pubkey key;
	secp256k1_ecdsa_signature parsed;
	if (!parsePublicKey(&key, publicKey, publicKeyBytes) || !secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, &parsed, signature))
		return false;
	if (highS)
		secp256k1_ecdsa_signature_normalize(secp256k1_context_static, &parsed, &parsed);
	return secp256k1_ecdsa_verify(secp256k1_context_static, &parsed, digest, &key) == 1;
}

bool k1Recover(uint8_t publicKey[65], const uint8_t signature[64], int recovery, const uint8_t digest[32])
{
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_pubkey key;
	size_t count = K1_PUBLIC_KEY_BYTES;
	if (recovery != 0 && recovery != 1)
		return false;
	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(secp256k1_context_static, &parsed, signature, recovery))
		return false;
	if (!secp256k1_ecdsa_recover(secp256k1_context_static, &key, &parsed, digest))
		return false;
	return secp256k1_ec_pubkey_serialize(secp256k1_context_static, publicKey, &count, &key, SECP256K1_EC_UNCOMPRESSED) == 1;
}

/* What becomes public here: an answer about a key that is one, or made with it. Only memcheck sees this (secret-paths.c). */
static void publish(const void* bytes, size_t count)
{
	secp256k1_declassify(signing(), bytes, count);
}

bool k1IsSecret(const uint8_t secret[32])
{
	int valid = secp256k1_ec_seckey_verify(secp256k1_context_static, secret);
	publish(&valid, sizeof(valid));
	burnStack();
	return valid == 1;
}

void k1PublicKey(uint8_t publicKey[65], const uint8_t secret[32])
{
	secp256k1_pubkey key;
	size_t count = K1_PUBLIC_KEY_BYTES;
	int made = secp256k1_ec_pubkey_create(signing(), &key, secret);
	publish(&made, sizeof(made));
	publish(&key, sizeof(key));
	if (!made)
		abort();
	secp256k1_ec_pubkey_serialize(secp256k1_context_static, publicKey, &count, &key, SECP256K1_EC_UNCOMPRESSED);
	burnStack();
}

bool k1Sign(uint8_t signature[64], const uint8_t digest[32], const uint8_t secret[32])
{
	secp256k1_ecdsa_signature made;
	int valid = secp256k1_ecdsa_sign(signing(), &made, digest, secret, secp256k1_nonce_function_rfc6979, NULL);
	publish(&valid, sizeof(valid));
	publish(&made, sizeof(made));
	if (valid)
		secp256k1_ecdsa_signature_serialize_compact(secp256k1_context_static, signature, &made);
	burnStack();
	return valid == 1;
}

void k1Blind(const uint8_t seed[32])
{
	signing();
	if (!secp256k1_context_randomize(&gSign, seed))
		abort();
	burnStack();
}

_Static_assert(sizeof(K1Sha256) >= sizeof(secp256k1_sha256), "a hash state fits its opaque twin");
_Static_assert(sizeof(K1HmacSha256) >= sizeof(secp256k1_hmac_sha256), "an HMAC state fits its opaque twin");

static const secp256k1_hash_ctx* hashing(void)
{
	return secp256k1_get_hash_context(secp256k1_context_static);
}

void k1Sha256Start(K1Sha256* hash)
{
	secp256k1_sha256_initialize((secp256k1_sha256*)hash);
}

void k1Sha256Write(K1Sha256* hash, const uint8_t* bytes, size_t count)
{
	secp256k1_sha256_write(hashing(), (secp256k1_sha256*)hash, bytes, count);
}

void k1Sha256End(K1Sha256* hash, uint8_t digest[32])
{
	secp256k1_sha256_finalize(hashing(), (secp256k1_sha256*)hash, digest);
}

void k1HmacSha256Start(K1HmacSha256* hash, const uint8_t* key, size_t count)
{
	secp256k1_hmac_sha256_initialize(hashing(), (secp256k1_hmac_sha256*)hash, key, count);
}

void k1HmacSha256Write(K1HmacSha256* hash, const uint8_t* bytes, size_t count)
{
	secp256k1_hmac_sha256_write(hashing(), (secp256k1_hmac_sha256*)hash, bytes, count);
}

void k1HmacSha256End(K1HmacSha256* hash, uint8_t digest[32])
{
	secp256k1_hmac_sha256_finalize(hashing(), (secp256k1_hmac_sha256*)hash, digest);
}
