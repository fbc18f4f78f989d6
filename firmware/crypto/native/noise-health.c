/* See noise-health.h. */
#include "noise-health.h"

#include "board.h"
#include "k1.h"

#include <string.h>

enum {
	STARTUP_SAMPLES = 1024,
	BYTE_REPEATS_CUTOFF = 6,
	BYTE_WINDOW_SAMPLES = 512,
	BYTE_PROPORTION_CUTOFF = 22,
	BIT_REPEATS_CUTOFF = 36,
	BIT_WINDOW_SAMPLES = 1024,
	BIT_PROPORTION_CUTOFF = 654,
	CYCLE_MARK_BYTES = 8,
	BYTE_BITS = 8
};

static const char NOT_READY[] = "entropy-not-ready";

static NoiseFailure offerBit(BitTests* tests, int bit)
{
	tests->repeats = bit == tests->last ? tests->repeats + 1 : 1; /* §4.4.1 */
	tests->last = bit;
	if (tests->repeats >= BIT_REPEATS_CUTOFF)
		return "entropy-repeats";
	tests->ones += bit; /* §4.4.2, for both values */
	tests->samples++;
	if (tests->ones >= BIT_PROPORTION_CUTOFF || tests->samples - tests->ones >= BIT_PROPORTION_CUTOFF)
		return "entropy-biased";
	if (tests->samples == BIT_WINDOW_SAMPLES)
		tests->samples = tests->ones = 0;
	return NULL;
}

static NoiseFailure offerByte(NoiseHealth* health, int byte)
{
	health->repeats = byte == health->last ? health->repeats + 1 : 1;
	health->last = byte;
	if (health->repeats >= BYTE_REPEATS_CUTOFF)
		return "entropy-repeats";
	if (health->samples == 0) {
		health->reference = byte;
		health->occurrences = 0;
	}
	health->samples = (health->samples + 1) % BYTE_WINDOW_SAMPLES;
	if (byte == health->reference && ++health->occurrences >= BYTE_PROPORTION_CUTOFF)
		return "entropy-biased";
	NoiseFailure failure = NULL;
	for (int bit = BYTE_BITS - 1; bit >= 0 && !failure; bit--) {
		int value = byte >> bit & 1;
		failure = offerBit(&health->sequence, value);
		if (!failure)
			failure = offerBit(&health->positions[bit], value);
	}
	return failure;
}

static NoiseFailure draw(NoiseHealth* health, uint8_t* bytes, size_t count)
{
	NoiseFailure failure = boardNoise(bytes, count) ? NULL : NOT_READY;
	for (size_t i = 0; i < count && !failure; i++)
		failure = offerByte(health, bytes[i]);
	return failure;
}

/* Whether the last bytes stood in the samples before, at any offset. */
static bool cycles(const uint8_t* samples, size_t count)
{
	size_t mark = count - CYCLE_MARK_BYTES;
	for (size_t start = 0; start < mark; start++)
		if (!memcmp(samples + start, samples + mark, CYCLE_MARK_BYTES))
			return true;
	return false;
}

/* A source that fails now and then would pass if it were asked again: so one failure lasts until the power goes. A source
 * that is not fed has failed no test. */
static NoiseFailure latched(NoiseFailure failure)
{
	if (failure && strcmp(failure, NOT_READY))
		boardNoiseFails();
	return failure;
}

NoiseFailure noiseStartUp(NoiseHealth* health)
{
	uint8_t samples[STARTUP_SAMPLES];
	if (boardNoiseFailed())
		return "entropy-latched";
	memset(health, 0, sizeof(*health));
	health->last = health->sequence.last = -1;
	for (int bit = 0; bit < BYTE_BITS; bit++)
		health->positions[bit].last = -1;
	NoiseFailure failure = draw(health, samples, sizeof(samples));
	if (!failure && cycles(samples, sizeof(samples)))
		failure = "entropy-cycles";
	wipe(samples, sizeof(samples));
	return latched(failure);
}

NoiseFailure noiseRead(NoiseHealth* health, uint8_t* bytes, size_t count)
{
	NoiseFailure failure = draw(health, bytes, count);
	if (failure)
		wipe(bytes, count);
	return latched(failure);
}
