/*
 * Health tests of the noise source in C, for keys that JavaScript never sees: the same tests and cutoffs as
 * crypto/entropy-health.ts (NIST SP 800-90B §4.3, §4.4), which says where the numbers come from. A failure latches: until
 * the power was off, every start-up is refused (`entropy-latched`).
 */
#ifndef CHAINMOTE_NOISE_HEALTH_H
#define CHAINMOTE_NOISE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL, or the code of the refusal. */
typedef const char* NoiseFailure;

typedef struct {
	int last, repeats, ones, samples;
} BitTests;

typedef struct {
	int last, repeats, reference, occurrences, samples;
	BitTests sequence, positions[8];
} NoiseHealth;

/* Begins, and draws, tests and wipes the start-up samples. */
NoiseFailure noiseStartUp(NoiseHealth* health);
/* Fills `bytes` with tested noise, or clears them. */
NoiseFailure noiseRead(NoiseHealth* health, uint8_t* bytes, size_t count);

#endif
