/*
 * The simulated board of the native keys (firmware/crypto/native/board.h).
 *
 * Two ways, by the image's choice: over the pipe, where the simulated NVS and noise source of the Node process answer; or
 * inside the guest, with a few slots in C memory and a noise generator from the image's seed, for measurements and tests
 * that run alone. Either way the bytes stay in C.
 *
 * A message over the pipe is an operation, a length and the slot's name, and for a write the value; the answer is a
 * status byte, and for a read or noise the bytes.
 */
#include "host.h"
#include "board.h"

#include <string.h>

enum { OPERATION_NOISE, OPERATION_READ, OPERATION_WRITE, OPERATION_DELETE, OPERATION_FAILED, OPERATION_FAIL };
enum { STATUS_ABSENT, STATUS_DONE, STATUS_REFUSED };
enum { SECRET_BYTES = 32, SLOTS_MAX = 64, NOISE_BYTES_MAX = 4096 };

typedef struct {
	char name[SLOT_CHARACTERS_MAX + 1];
	uint8_t secret[SECRET_BYTES];
} Slot;
static Slot gSlots[SLOTS_MAX];

static bool inGuest(void)
{
	return hostImageWord(IMAGE_KEYS_IN_GUEST) != 0;
}

static Slot* findSlot(const char* name)
{
	for (int i = 0; i < SLOTS_MAX; i++)
		if (!strcmp(gSlots[i].name, name))
			return &gSlots[i];
	return NULL;
}

/* SplitMix64: passes the health tests, and is the same in every run of one image. */
static uint64_t nextNoise(void)
{
	static uint64_t state;
	if (state == 0)
		state = (uint64_t)hostImageWord(IMAGE_SEED) << 32 | 1;
	state += 0x9E3779B97F4A7C15u;
	uint64_t z = state;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static uint8_t ask(uint8_t operation, const char* slot, const uint8_t* value, uint8_t* answer, uint32_t bytes)
{
	uint8_t message[2 + SLOT_CHARACTERS_MAX + SECRET_BYTES];
	uint32_t length = (uint32_t)strlen(slot), at = 2 + length;
	message[0] = operation;
	message[1] = (uint8_t)length;
	memcpy(message + 2, slot, length);
	if (value) {
		memcpy(message + at, value, SECRET_BYTES);
		at += SECRET_BYTES;
	}
	uint32_t answered = frameExchange(FRAME_KEYS, message, at);
	uint8_t status = answered > 0 ? gFrame[0] : (uint8_t)STATUS_REFUSED;
	if (status == STATUS_DONE && answer) {
		if (answered == 1 + bytes)
			memcpy(answer, gFrame + 1, bytes);
		else
			status = STATUS_REFUSED;
	}
	memset(gFrame, 0, answered);
	memset(message, 0, sizeof(message));
	__asm__ volatile("" : : "r"(message), "r"(gFrame) : "memory");
	return status;
}

bool boardNoise(uint8_t* bytes, size_t count)
{
	if (inGuest()) {
		for (size_t i = 0; i < count; i++)
			bytes[i] = (uint8_t)(nextNoise() >> 32);
		return true;
	}
	if (count > NOISE_BYTES_MAX)
		return false;
	uint8_t message[4] = { OPERATION_NOISE, 0, (uint8_t)count, (uint8_t)(count >> 8) };
	uint32_t answered = frameExchange(FRAME_KEYS, message, sizeof(message));
	bool drawn = answered == 1 + count && gFrame[0] == STATUS_DONE;
	if (drawn)
		memcpy(bytes, gFrame + 1, count);
	memset(gFrame, 0, answered);
	return drawn;
}

static bool gNoiseFailed;

/* Who does not answer has not said that all is well. */
bool boardNoiseFailed(void)
{
	return inGuest() ? gNoiseFailed : ask(OPERATION_FAILED, "", NULL, NULL, 0) != STATUS_ABSENT;
}

void boardNoiseFails(void)
{
	gNoiseFailed = true;
	if (!inGuest())
		ask(OPERATION_FAIL, "", NULL, NULL, 0);
}

SlotState boardReadSecret(const char* slot, uint8_t secret[32])
{
	if (inGuest()) {
		const Slot* found = findSlot(slot);
		if (found)
			memcpy(secret, found->secret, SECRET_BYTES);
		return found ? SLOT_HAS_SECRET : SLOT_EMPTY;
	}
	switch (ask(OPERATION_READ, slot, NULL, secret, SECRET_BYTES)) {
	case STATUS_DONE: return SLOT_HAS_SECRET;
	case STATUS_ABSENT: return SLOT_EMPTY;
	default: return SLOT_UNREADABLE;
	}
}

bool boardWriteSecret(const char* slot, const uint8_t secret[32])
{
	if (!inGuest())
		return ask(OPERATION_WRITE, slot, secret, NULL, 0) == STATUS_DONE;
	Slot* found = findSlot(slot);
	if (!found)
		found = findSlot("");
	if (!found)
		return false;
	strncpy(found->name, slot, SLOT_CHARACTERS_MAX);
	memcpy(found->secret, secret, SECRET_BYTES);
	return true;
}

void boardDeleteSecret(const char* slot)
{
	Slot* found = findSlot(slot);
	if (!inGuest())
		ask(OPERATION_DELETE, slot, NULL, NULL, 0);
	else if (found)
		memset(found, 0, sizeof(*found));
}
