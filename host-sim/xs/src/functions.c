/*
 * What JavaScript may call of the host itself; host-sim/xs/guest/host.ts declares them. None exists on a board, and
 * firmware imports none: they carry the simulated modules, the benchmarks and the tests.
 */
#include "xsAll.h"
#include "xsmc.h"
#include "host.h"

txSlot gEventHandler;

static void xs_host_print(txMachine* the)
{
	txString text = fxToString(the, mxArgv(0));
	frameWrite(FRAME_PRINT, text, (uint32_t)c_strlen(text));
}

/* request(buffer): ArrayBuffer. Waits for the process that owns the board. */
static void xs_host_request(txMachine* the)
{
	void* data;
	txUnsigned bytes;
	_xsmcGetBuffer(the, mxArgv(0), &data, &bytes, 0);
	uint32_t answered = frameExchange(FRAME_REQUEST, data, bytes);
	fxArrayBuffer(the, mxResult, gFrame, (txInteger)answered, -1);
}

/* listen(handler): events come to it as an ArrayBuffer each, until listen() is called without one. */
static void xs_host_listen(txMachine* the)
{
	if (gEventHandler.kind == XS_REFERENCE_KIND)
		fxForget(the, &gEventHandler);
	if (mxArgc > 0 && mxArgv(0)->kind == XS_REFERENCE_KIND) {
		gEventHandler.kind = mxArgv(0)->kind;
		gEventHandler.value = mxArgv(0)->value;
		fxRemember(the, &gEventHandler);
	}
	else
		gEventHandler.kind = XS_UNDEFINED_KIND;
}

static void xs_host_microseconds(txMachine* the)
{
	fxNumber(the, mxResult, (txNumber)(machineNanoseconds() - pipeNanoseconds()) / 1000);
}

static void xs_host_instructions(txMachine* the)
{
	fxNumber(the, mxResult, (txNumber)(machineInstructions() - pipeInstructions() - profileInstructions()));
}

static void xs_host_collect(txMachine* the)
{
	fxCollectGarbage(the);
}

/* memory(words): fills a Uint32Array's buffer, so that looking costs no object. host.ts names the words. */
static void xs_host_memory(txMachine* the)
{
	uint32_t words[] = {
		(uint32_t)the->currentChunksSize, (uint32_t)the->peakChunksSize, (uint32_t)the->maximumChunksSize,
		(uint32_t)(the->currentHeapCount * (txSize)sizeof(txSlot)), (uint32_t)(the->peakHeapCount * (txSize)sizeof(txSlot)),
		(uint32_t)(the->maximumHeapCount * (txSize)sizeof(txSlot)),
		(uint32_t)((the->stackTop - the->stackPeak) * (txSize)sizeof(txSlot)), hostCollections(the),
		(uint32_t)(the->keyIndex - the->keyOffset), hostNativeStackPeak(), (uint32_t)hostBlock()->size,
		(uint32_t)((the->stackTop - the->stackBottom) * (txSize)sizeof(txSlot)), the->blockPeak };
	void* data;
	txUnsigned bytes;
	_xsmcGetBuffer(the, mxArgv(0), &data, &bytes, 1);
	c_memcpy(data, words, bytes < sizeof(words) ? bytes : sizeof(words));
}

/* resetPeaks(): peaks begin again at what is in use now. */
static void xs_host_reset_peaks(txMachine* the)
{
	the->peakChunksSize = the->currentChunksSize;
	the->peakHeapCount = the->currentHeapCount;
	the->blockPeak = hostBlockTaken(the);
}

/* dump(): every byte that JavaScript can have written to, in frames: the block, or each area where there is none. */
static void dumpBytes(const uint8_t* from, uint32_t bytes)
{
	while (bytes) {
		uint32_t part = bytes < FRAME_BYTES_MAX ? bytes : FRAME_BYTES_MAX;
		frameWrite(FRAME_DUMP, from, part);
		from += part;
		bytes -= part;
	}
}

static void xs_host_dump(txMachine* the)
{
	if (the->block) {
		dumpBytes(hostBlock()->start, hostBlock()->size);
		return;
	}
	for (txBlock* block = the->firstBlock; block; block = block->nextBlock)
		dumpBytes((uint8_t*)block, (uint32_t)(block->limit - (txByte*)block));
	for (txSlot* heap = the->firstHeap; heap; heap = heap->next)
		dumpBytes((uint8_t*)heap, (uint32_t)((uint8_t*)heap->value.reference - (uint8_t*)heap));
	dumpBytes((uint8_t*)the->stackBottom, (uint32_t)((uint8_t*)the->stackTop - (uint8_t*)the->stackBottom));
}

/* dumpNative(): the C stack, what lies below its present end included, and all static memory. */
static void xs_host_dump_native(txMachine* the)
{
	extern const uint8_t __data_start[], _end[];
	(void)the;
	dumpBytes(hostStackLow(), (uint32_t)(hostStackBase() - hostStackLow()));
	dumpBytes(__data_start, (uint32_t)(_end - __data_start));
}

#include "board-io.h"
#include "bridge.h"
#include "natives.h"

const NativeFunction gNativeFunctions[] = {
	{ "xs_host_print", xs_host_print },
	{ "xs_host_request", xs_host_request },
	{ "xs_host_listen", xs_host_listen },
	{ "xs_host_microseconds", xs_host_microseconds },
	{ "xs_host_instructions", xs_host_instructions },
	{ "xs_host_profile", xs_host_profile },
	{ "xs_host_parts", xs_host_parts },
	{ "xs_host_collect", xs_host_collect },
	{ "xs_host_memory", xs_host_memory },
	{ "xs_host_reset_peaks", xs_host_reset_peaks },
	{ "xs_host_dump", xs_host_dump },
	{ "xs_host_dump_native", xs_host_dump_native },
#define NATIVE(name) { #name, name },
	BOARD_FUNCTIONS
	BRIDGE_FUNCTIONS
	NATIVES
#undef NATIVE
};
const uint32_t gNativeFunctionCount = sizeof(gNativeFunctions) / sizeof(gNativeFunctions[0]);
