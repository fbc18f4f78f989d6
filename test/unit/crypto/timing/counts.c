/*
 * Instructions of signing on an RV32IMC core, for many keys and digests (so many nonces): prints how often each count came.
 * Under `qemu -icount shift=0` the cycle counter counts instructions. COUNT_VERIFY counts verification instead, which is not
 * constant-time and must show it.
 */
#include "k1.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 1000, DISTINCT_MAX = 64 };

static uint32_t gCounts[DISTINCT_MAX], gTimes[DISTINCT_MAX], gDistinct;

static uint32_t cycles(void)
{
	uint32_t count;
	__asm__ volatile("rdcycle %0" : "=r"(count) : : "memory");
	return count;
}

static void keep(uint32_t count)
{
	uint32_t i = 0;
	while (i < gDistinct && gCounts[i] != count)
		i++;
	if (i == DISTINCT_MAX)
		return;
	if (i == gDistinct)
		gDistinct++;
	gCounts[i] = count;
	gTimes[i]++;
}

static void next(uint8_t bytes[32])
{
	K1Sha256 hash;
	k1Sha256Start(&hash);
	k1Sha256Write(&hash, bytes, 32);
	k1Sha256End(&hash, bytes);
}

int main(void)
{
	static uint8_t secret[K1_SECRET_BYTES], digest[K1_DIGEST_BYTES] = { 1 }, signature[K1_SIGNATURE_BYTES];
	static uint8_t publicKey[K1_PUBLIC_KEY_BYTES];
	k1Blind(digest);
	for (int i = 0; i < RUNS; i++) {
		next(secret);
		next(digest);
#ifdef COUNT_VERIFY
		k1PublicKey(publicKey, secret);
		k1Sign(signature, digest, secret);
		uint32_t from = cycles();
		if (!k1Verify(signature, digest, publicKey, sizeof(publicKey), false))
			abort();
#else
		(void)publicKey;
		uint32_t from = cycles();
		if (!k1Sign(signature, digest, secret))
			abort();
#endif
		keep(cycles() - from);
	}
	for (uint32_t i = 0; i < gDistinct; i++)
		printf("%lu %lu\n", (unsigned long)gCounts[i], (unsigned long)gTimes[i]);
	return 0;
}
