/* Frames over the machine's byte pipe (host.h). A frame that is longer than its bound ends the process. */
#include "host.h"

enum { FRAME_HEADER_BYTES = 5 };

uint8_t gFrame[FRAME_BYTES_MAX];

/* What the pipe has taken: it stands for a radio, and on rv32 its speed is the emulator's. */
static uint64_t gPipeInstructions, gPipeNanoseconds;
static uint64_t gEnteredInstructions, gEnteredNanoseconds;

static void enterPipe(void)
{
	profilePause(true);
	gEnteredInstructions = machineInstructions();
	gEnteredNanoseconds = machineNanoseconds();
}

static void leavePipe(void)
{
	gPipeInstructions += machineInstructions() - gEnteredInstructions;
	gPipeNanoseconds += machineNanoseconds() - gEnteredNanoseconds;
	profilePause(false);
}

uint64_t pipeInstructions(void)
{
	return gPipeInstructions;
}

uint64_t pipeNanoseconds(void)
{
	return gPipeNanoseconds;
}

void frameWrite(uint8_t type, const void* payload, uint32_t bytes)
{
	uint8_t header[FRAME_HEADER_BYTES] = { type, (uint8_t)bytes, (uint8_t)(bytes >> 8), (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 24) };
	enterPipe();
	machineWrite(header, sizeof(header));
	machineWrite(payload, bytes);
	leavePipe();
}

uint8_t frameRead(uint32_t* bytes)
{
	uint8_t header[FRAME_HEADER_BYTES];
	enterPipe();
	machineRead(header, sizeof(header));
	*bytes = (uint32_t)header[1] | (uint32_t)header[2] << 8 | (uint32_t)header[3] << 16 | (uint32_t)header[4] << 24;
	if (*bytes > FRAME_BYTES_MAX)
		hostFail("a frame is longer than its bound");
	machineRead(gFrame, *bytes);
	leavePipe();
	return header[0];
}

uint32_t frameExchange(uint8_t type, const void* payload, uint32_t bytes)
{
	uint32_t answered;
	frameWrite(type, payload, bytes);
	if (frameRead(&answered) != FRAME_REPLY)
		hostFail("no reply to a request");
	return answered;
}
