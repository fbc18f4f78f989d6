/* Instructions of micro-ecc on an RV32IMC core, means over some keys: prints those of signing and of verification. */
#include "uECC.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 12, BYTES = 32 };

/* A sequence is enough: nothing is kept secret here. */
static int noise(uint8_t* to, unsigned count)
{
	static uint32_t state = 1;
	while (count--) {
		state = state * 1664525u + 1013904223u;
		*to++ = (uint8_t)(state >> 24);
	}
	return 1;
}

static uint32_t cycles(void)
{
	uint32_t count;
	__asm__ volatile("rdcycle %0" : "=r"(count) : : "memory");
	return count;
}

int main(void)
{
	uECC_Curve curve = uECC_secp256k1();
	uint8_t secret[BYTES], publicKey[2 * BYTES], digest[BYTES], signature[2 * BYTES];
	uint64_t sign = 0, verify = 0;
	uECC_set_rng(noise);
	for (int i = 0; i < RUNS; i++) {
		noise(digest, BYTES);
		if (!uECC_make_key(publicKey, secret, curve))
			abort();
		uint32_t a = cycles();
		if (!uECC_sign(secret, digest, BYTES, signature, curve))
			abort();
		uint32_t b = cycles();
		if (!uECC_verify(publicKey, digest, BYTES, signature, curve))
			abort();
		sign += b - a;
		verify += cycles() - b;
	}
	printf("%lu %lu\n", (unsigned long)(sign / RUNS), (unsigned long)(verify / RUNS));
	return 0;
}
