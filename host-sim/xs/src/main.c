/*
 * Start, loop and end of the XS host.
 *
 * Promises: builds the ROM, clones it into the board's memory, imports the first module of the image, then gives it
 * events until there is no handler left or it is told to stop. Every end is an X frame with a reason and the memory
 * figures, and an exit code: 0 ended, 2 an exception nobody caught, 3 the engine gave up (memory full, stack overflow),
 * 4 the image or the pipe is at fault. Never: a signal, or an end that says nothing.
 */
#include "xsAll.h"
#include "xsScript.h"
#include "host.h"

enum { EXIT_ENDED = 0, EXIT_EXCEPTION = 2, EXIT_ABORT = 3, EXIT_FAULT = 4 };
enum { STACK_PAINT_BYTES = 96 << 10, STACK_PAINT_GAP_BYTES = 512 };
#define STACK_PAINT 0xA5u
#define PATH_BYTES_MAX 255

uint32_t gStackBytes;
static const uint8_t* gImage;
static MemoryBlock gBlock;
static txMachine* gMachine;
static volatile uint8_t* gStackBase;

uint32_t hostImageWord(uint32_t index)
{
	const uint8_t* p = gImage + 4 * index;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

const MemoryBlock* hostBlock(void)
{
	return &gBlock;
}

/* C stack: what lies below the base is painted before the firmware starts, and looked at afterwards. */
static __attribute__((noinline)) void paintStack(void)
{
	volatile uint8_t* low = gStackBase - STACK_PAINT_BYTES;
	for (volatile uint8_t* p = low; p < gStackBase - STACK_PAINT_GAP_BYTES; p++)
		*p = STACK_PAINT;
}

uint32_t hostNativeStackPeak(void)
{
	volatile uint8_t* p = gStackBase - STACK_PAINT_BYTES;
	while (p < gStackBase && *p == STACK_PAINT)
		p++;
	return (uint32_t)(gStackBase - p);
}

const uint8_t* hostStackLow(void)
{
	return (const uint8_t*)gStackBase - STACK_PAINT_BYTES;
}

const uint8_t* hostStackBase(void)
{
	return (const uint8_t*)gStackBase;
}

static void endWith(int code, const char* reason)
{
	char text[512];
	txMachine* the = gMachine;
	int length;
	if (the)
		length = snprintf(text, sizeof(text),
			"{\"code\":%d,\"reason\":\"%s\",\"chunksPeakBytes\":%ld,\"slotsPeakBytes\":%ld,\"stackPeakBytes\":%ld,"
			"\"chunksReservedBytes\":%ld,\"slotsReservedBytes\":%ld,\"collections\":%lu,\"keys\":%d,\"aliases\":%d,"
			"\"nativeStackPeakBytes\":%lu,\"blockPeakBytes\":%lu}",
			code, reason, (long)the->peakChunksSize, (long)(the->peakHeapCount * sizeof(txSlot)),
			(long)((the->stackTop - the->stackPeak) * (txSize)sizeof(txSlot)), (long)the->maximumChunksSize,
			(long)(the->maximumHeapCount * sizeof(txSlot)), (unsigned long)hostCollections(the),
			(int)(the->keyIndex - the->keyOffset), (int)the->aliasCount, (unsigned long)hostNativeStackPeak(),
			(unsigned long)the->blockPeak);
	else
		length = snprintf(text, sizeof(text), "{\"code\":%d,\"reason\":\"%s\"}", code, reason);
	frameWrite(FRAME_EXIT, text, (uint32_t)length);
	machineExit(code);
}

void hostExit(int code)
{
	endWith(code, "ended");
	machineExit(code);
}

void hostFail(const char* reason)
{
	endWith(EXIT_FAULT, reason);
	machineExit(EXIT_FAULT);
}

void fxAbort(txMachine* the, int status)
{
	(void)the;
	switch (status) {
	case XS_STACK_OVERFLOW_EXIT: endWith(EXIT_ABORT, "stack overflow"); break;
	case XS_NOT_ENOUGH_MEMORY_EXIT: endWith(EXIT_ABORT, "memory full"); break;
	case XS_NO_MORE_KEYS_EXIT: endWith(EXIT_ABORT, "no more keys"); break;
	case XS_UNHANDLED_EXCEPTION_EXIT: endWith(EXIT_EXCEPTION, "unhandled exception"); break;
	case XS_UNHANDLED_REJECTION_EXIT: endWith(EXIT_EXCEPTION, "unhandled rejection"); break;
	default: endWith(EXIT_ABORT, "the engine gave up"); break;
	}
	machineExit(EXIT_ABORT);
}

/* The engine calls this after each collection (and elsewhere); linked in front of its own, see build.ts. */
void __wrap_fxCheckProfiler(txMachine* the, txSlot* frame)
{
	(void)frame;
	hostCollections(the);
	heapCollected(the);
}

static void reportException(txMachine* the)
{
	mxPush(mxException);
	if (the->stack->kind == XS_REFERENCE_KIND && mxHasID(mxID(_stack))) {
		mxPush(mxException);
		mxGetID(mxID(_stack));
	}
	else
		mxPush(mxException);
	txString text = fxToString(the, the->stack);
	frameWrite(FRAME_PRINT, text, (uint32_t)c_strlen(text));
	endWith(EXIT_EXCEPTION, "uncaught exception");
}

static void runJobs(txMachine* the)
{
	while (the->promiseJobs) {
		the->promiseJobs = 0;
		fxRunPromiseJobs(the);
	}
	fxEndJob(the);
}

extern txSlot gEventHandler; /* functions.c */

/* An event is one ArrayBuffer, a notice its values. */
static void deliver(txMachine* the, uint8_t type, uint32_t bytes)
{
	fxBeginHost(the);
	{
		mxTry(the) {
			mxPushUndefined();
			mxPushSlot(&gEventHandler);
			mxCall();
			if (type == FRAME_NOTICE)
				mxRunCount(bridgePushNotice(the, bytes));
			else {
				mxPushUndefined();
				fxArrayBuffer(the, the->stack, gFrame, (txInteger)bytes, -1);
				mxRunCount(1);
			}
			mxPop();
		}
		mxCatch(the) {
			reportException(the);
		}
	}
	fxEndHost(the);
}

static void run(txMachine* the, const ImageModule* first)
{
	fxBeginHost(the);
	{
		mxTry(the) {
			mxPushStringC((txString)first->path);
			fxAwaitImport(the, XS_IMPORT_NAMESPACE);
			mxPop();
		}
		mxCatch(the) {
			reportException(the);
		}
	}
	fxEndHost(the);
	for (;;) {
		uint32_t bytes;
		runJobs(the);
		if (gEventHandler.kind != XS_REFERENCE_KIND)
			break;
		frameWrite(FRAME_WAIT, C_NULL, 0);
		uint8_t type = frameRead(&bytes);
		if (type == FRAME_STOP)
			break;
		if (type != FRAME_EVENT && type != FRAME_NOTICE)
			hostFail("no event after a wait");
		deliver(the, type, bytes);
	}
	fxCheckUnhandledRejections(the, 1);
}

static const uint8_t* readWord(const uint8_t* p, uint32_t* word)
{
	*word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	return p + 4;
}

/* A module in the image: preload flag, length and text of its path, length and text of its source, both with a zero. */
static ImageModule* readModules(uint32_t count)
{
	ImageModule* modules = c_calloc(count, sizeof(ImageModule));
	const uint8_t* p = gImage + 4 * IMAGE_HEADER_WORDS;
	if (!modules)
		hostFail("no memory for modules");
	for (uint32_t i = 0; i < count; i++) {
		uint32_t preload, pathBytes;
		p = readWord(p, &preload);
		p = readWord(p, &pathBytes);
		if (pathBytes > PATH_BYTES_MAX)
			hostFail("a module's path is too long");
		modules[i].preload = preload != 0;
		modules[i].path = (const char*)p;
		p = readWord(p + pathBytes + 1, &modules[i].sourceBytes);
		modules[i].source = (const char*)p;
		p += modules[i].sourceBytes + 1;
	}
	return modules;
}

int main(int argc, char** argv)
{
	gImage = machineImage(argc, argv);
	if (!gImage || hostImageWord(0) != IMAGE_MAGIC)
		hostFail("no image");
	uint32_t count = hostImageWord(IMAGE_MODULE_COUNT);
	uint32_t nameModulo = hostImageWord(IMAGE_NAME_MODULO), symbolModulo = hostImageWord(IMAGE_SYMBOL_MODULO);
	ImageModule* modules = readModules(count);
	txMachine* rom = romBuild(modules, count, nameModulo, symbolModulo);
	txCreation creation = {
		(txSize)hostImageWord(IMAGE_CHUNK_INITIAL_BYTES), (txSize)hostImageWord(IMAGE_CHUNK_INCREMENTAL_BYTES),
		(txSize)hostImageWord(IMAGE_HEAP_INITIAL_SLOTS), (txSize)hostImageWord(IMAGE_HEAP_INCREMENTAL_SLOTS),
		(txSize)hostImageWord(IMAGE_STACK_SLOTS), (txSize)hostImageWord(IMAGE_KEYS_INITIAL),
		(txSize)hostImageWord(IMAGE_KEYS_INCREMENTAL), (txSize)nameModulo, (txSize)symbolModulo, 1024, 127,
		(txSize)hostImageWord(IMAGE_STATIC_BYTES) };
	gBlock.size = (uint32_t)creation.staticSize;
	gBlock.start = creation.staticSize ? c_calloc(1, (size_t)creation.staticSize) : C_NULL;
	txMachine* the = fxCloneMachine(&creation, rom, "main", creation.staticSize ? &gBlock : C_NULL);
	if (!the)
		hostFail("no memory for the machine");
	gMachine = the;
	volatile uint8_t here = 0;
	gStackBase = &here;
	gStackBytes = hostImageWord(IMAGE_NATIVE_STACK_BYTES);
	if (gStackBytes)
		the->stackLimit = (char*)&here - gStackBytes;
	paintStack();
	run(the, &modules[0]);
	hostExit(EXIT_ENDED);
}
