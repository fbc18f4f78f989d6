/*
 * Whether a branch or an address of the native keys' C depends on a secret: k1.c as it is, under Valgrind's memcheck with
 * secrets marked as undefined, as libsecp256k1's own ctime_tests.c does it. memcheck follows what is computed from them and
 * reports each jump and each address that it decides. The library and k1.c say what becomes public (secp256k1_declassify).
 *
 * What is not under it: the bindings above (key-bindings.c). PLANTED_BRANCH and PLANTED_ADDRESS are faults that must be seen.
 */
#define VALGRIND 1
#include "k1.c"

#include <stdio.h>
#include <string.h>

static void fill(uint8_t* bytes, uint8_t first)
{
	for (int i = 0; i < K1_SECRET_BYTES; i++)
		bytes[i] = (uint8_t)(first + i);
}

static void fault(const uint8_t secret[32])
{
	static volatile uint8_t table[256], sink;
	(void)secret, (void)table, (void)sink;
#ifdef PLANTED_BRANCH
	if (secret[7] & 1)
		sink = table[0];
#endif
#ifdef PLANTED_ADDRESS
	sink = table[secret[7]];
#endif
}

/* As blindOnce of key-bindings.c makes the seed. */
static void blind(const uint8_t secret[32], const uint8_t noise[32])
{
	K1Sha256 hash;
	uint8_t seed[K1_DIGEST_BYTES];
	k1Sha256Start(&hash);
	k1Sha256Write(&hash, secret, K1_SECRET_BYTES);
	k1Sha256Write(&hash, noise, K1_SECRET_BYTES);
	k1Sha256End(&hash, seed);
	k1Blind(seed);
}

int main(void)
{
	uint8_t secret[K1_SECRET_BYTES], noise[K1_SECRET_BYTES], digest[K1_DIGEST_BYTES];
	uint8_t publicKey[K1_PUBLIC_KEY_BYTES], signature[K1_SIGNATURE_BYTES], mac[K1_DIGEST_BYTES];
	K1HmacSha256 hash;
	if (!SECP256K1_CHECKMEM_RUNNING() ||
		secp256k1_context_preallocated_create(&gSign, SECP256K1_CONTEXT_DECLASSIFY) != &gSign)
		return 2;
	fill(secret, 65);
	fill(noise, 1);
	fill(digest, 129);
	SECP256K1_CHECKMEM_UNDEFINE(secret, sizeof(secret));
	SECP256K1_CHECKMEM_UNDEFINE(noise, sizeof(noise));

	if (!k1IsSecret(secret))
		return 3;
	blind(secret, noise);
	k1PublicKey(publicKey, secret);
	if (!k1Sign(signature, digest, secret))
		return 4;
	k1HmacSha256Start(&hash, secret, sizeof(secret));
	k1HmacSha256Write(&hash, digest, sizeof(digest));
	k1HmacSha256End(&hash, mac);
	wipe(&hash, sizeof(hash));
	fault(secret);

	if (!k1Verify(signature, digest, publicKey, sizeof(publicKey), false))
		return 5;
	puts("signed and verified");
	return 0;
}
