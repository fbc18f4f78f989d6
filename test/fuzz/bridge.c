/*
 * The simulator's side of the pipe, over any frames and any arguments: bridge.c, frames.c, board-keys.c and board-io.c of host-sim/xs/src. What a
 * broker, a node or a person sends to a simulated board comes to its engine this way. The engine is test/fuzz/engine; the frames come from the
 * end of the input.
 *
 * What has to hold: a frame that is cut off, too long or of another kind ends the board with a reason; what goes out is frames.
 */
#include "engine.h"

#include "host.h"
#include "board-io.h"
#include "bridge.h"
#include "board.h"

enum { HEADER_LENGTH = 5, FRAME_CHOICES = 8, NOISE_LENGTH_MAX = 64, BOUND_MAX = 128 };

static uint32_t gOwed;
static bool gInGuest, gReplying;
static const uint8_t FRAMES[FRAME_CHOICES] = { FRAME_REPLY, FRAME_REPLY, FRAME_REPLY, FRAME_REPLY, FRAME_NOTICE, FRAME_EVENT, FRAME_STOP, 0 };

uint32_t hostImageWord(uint32_t index)
{
	return index == IMAGE_KEYS_IN_GUEST ? gInGuest : index;
}

void hostFail(const char* reason)
{
	demand(reason[0] != 0, "an end with a reason");
	inputEnds();
}

void profilePause(bool paused)
{
	(void)paused;
}

uint64_t machineNanoseconds(void)
{
	return 0;
}

uint64_t machineInstructions(void)
{
	return 0;
}

/* Headers and payloads in turn; a payload of nothing is written as well. */
void machineWrite(const void* bytes, uint32_t count)
{
	const uint8_t* from = bytes;
	uint32_t sum = 0;
	if (gOwed == 0) {
		demand(count == HEADER_LENGTH && from[0] >= 'A' && from[0] <= 'Z', "a frame's header");
		gOwed = 1 + ((uint32_t)from[1] | (uint32_t)from[2] << 8 | (uint32_t)from[3] << 16 | (uint32_t)from[4] << 24);
		return;
	}
	demand(count == gOwed - 1 && count <= FRAME_BYTES_MAX, "a payload as long as its header says");
	for (uint32_t i = 0; i < count; i++)
		sum += from[i];
	demand(sum <= 255 * count, "a payload that is there");
	gOwed = 0;
}

/* A frame's length is that of what is left, or whatever it says. */
void machineRead(void* bytes, uint32_t count)
{
	uint8_t* to = bytes;
	gReplying = !gReplying;
	if (!gReplying) {
		worldBytes(to, count);
		return;
	}
	demand(count == HEADER_LENGTH, "a frame's header");
	uint8_t how = worldByte();
	to[0] = FRAMES[how % FRAME_CHOICES];
	to[1] = worldByte();
	to[2] = how >= 240 ? worldByte() : 0;
	to[3] = how == 255 ? worldByte() : 0;
	to[4] = how == 255 ? worldByte() : 0;
}

/* As main.c delivers one. */
static void notice(txMachine* the)
{
	uint32_t bytes;
	frameRead(&bytes);
	int count = bridgePushNotice(the, bytes);
	targetReached += count > 0;
	demand(count >= 0 && the->stack + count == the->slots + ENGINE_STACK, "as many values as were pushed");
}

static void noise(txMachine* the)
{
	uint8_t bytes[NOISE_LENGTH_MAX];
	boardNoise(bytes, (size_t)(uint32_t)fxToInteger(the, mxArgv(0)) % (NOISE_LENGTH_MAX + 1));
	if (boardNoiseFailed())
		boardNoiseFails();
}

static void secrets(txMachine* the)
{
	char slot[SLOT_CHARACTERS_MAX + 1];
	uint8_t secret[32] = { 0 };
	fxToStringBuffer(the, mxArgv(0), slot, sizeof slot);
	demand(boardReadSecret(slot, secret) <= SLOT_UNREADABLE, "one of the states");
	boardWriteSecret(slot, secret);
	boardDeleteSecret(slot);
}

unsigned targetReached;

const Native NATIVES_HERE[] = {
	{ "call", xs_host_call, "sba", NULL },
	{ "fill", xs_host_fill, "bsi", NULL },
	{ "bind", xs_host_bind, "b", NULL },
	{ "unbind", xs_host_unbind, "i", NULL },
	{ "trace", xs_host_trace, "s", NULL },
	{ "notice", notice, "", NULL },
	{ "noise", noise, "i", NULL },
	{ "secrets", secrets, "s", NULL },
	{ "flashRead", xs_host_flash_read, "ii", NULL },
	{ "flashFill", xs_host_flash_read, "bi", NULL },
	{ "flashWrite", xs_host_flash_write, "bi", NULL },
	{ "flashErase", xs_host_flash_erase, "ii", NULL },
	{ "valueRead", xs_host_value_read, "s", NULL },
	{ "valueWrite", xs_host_value_write, "sb", NULL },
	{ "valueDelete", xs_host_value_delete, "s", NULL },
	{ "sensorRead", xs_host_sensor_read, "", NULL },
};
const size_t NATIVES_HERE_COUNT = sizeof NATIVES_HERE / sizeof *NATIVES_HERE;
/* The simulator's own modules give them all. */
const bool NATIVES_HERE_COUNT_ARGUMENTS = false;

void targetBegins(void)
{
	gOwed = 0;
	gReplying = false;
	gInGuest = worldByte() & 1;
}

/* Nobody waits for the board any more. */
void targetEnds(void)
{
	txMachine machine = { .argc = 1 };
	for (int i = 1; i <= BOUND_MAX; i++) {
		fxInteger(&machine, &machine.arguments[0], i);
		xs_host_unbind(&machine);
	}
}
