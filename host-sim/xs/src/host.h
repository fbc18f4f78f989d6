/*
 * What the parts of the XS host say to each other. One process holds one machine; the parts are:
 * memory.c (where a machine's memory comes from), rom.c (what a board has in flash), modules.c (names and loading),
 * functions.c (what JavaScript may call), frames.c and machine-*.c (bytes to and from the process that owns the simulated
 * board), bridge.c (what simulated modules ask of that process), board-keys.c (the key store and noise source for the
 * native keys) and main.c (start, loop, end).
 *
 * XS 13.3's own headers say `the` for the machine everywhere, and so do we.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sxMachine;
struct sxCreation;

typedef struct {
	uint8_t* start;
	uint32_t size;
} MemoryBlock;

/* The image: what to run and on what. image.ts writes it; all integers are little-endian and 32 bits wide. */
enum {
	IMAGE_MAGIC = 0x31495358, /* "XSI1" */
	IMAGE_STATIC_BYTES = 1,
	IMAGE_CHUNK_INITIAL_BYTES,
	IMAGE_CHUNK_INCREMENTAL_BYTES,
	IMAGE_HEAP_INITIAL_SLOTS,
	IMAGE_HEAP_INCREMENTAL_SLOTS,
	IMAGE_STACK_SLOTS,
	IMAGE_KEYS_INITIAL,
	IMAGE_KEYS_INCREMENTAL,
	IMAGE_NAME_MODULO,
	IMAGE_SYMBOL_MODULO,
	IMAGE_NATIVE_STACK_BYTES,
	IMAGE_KEYS_IN_GUEST, /* 1: board-keys.c keeps keys and draws noise itself; 0: it asks over the pipe */
	IMAGE_SEED,
	IMAGE_MODULE_COUNT,
	IMAGE_HEADER_WORDS
};

typedef struct {
	const char* path;
	const char* source;
	uint32_t sourceBytes;
	bool preload;
} ImageModule;

/* functions.c and the wrappers of native libraries */
typedef struct {
	const char* name;
	void (*callback)(struct sxMachine*);
} NativeFunction;
extern const NativeFunction gNativeFunctions[];
extern const uint32_t gNativeFunctionCount;

/* rom.c */
struct sxMachine* romBuild(const ImageModule* modules, uint32_t count, uint32_t nameModulo, uint32_t symbolModulo);

/* profile.c: stops and goes on around the pipe; what the profile itself has taken. */
void xs_host_profile(struct sxMachine* the);
void profilePause(bool paused);
uint64_t profileInstructions(void);

/* heap.c: after each collection. */
void xs_host_parts(struct sxMachine* the);
void heapCollected(struct sxMachine* the);

/* memory.c */
uint32_t hostCollections(struct sxMachine* the);
/* Bytes of the block that chunks, slots and stack have taken; 0 where there is no block. */
uint32_t hostBlockTaken(const struct sxMachine* the);

/* bridge.c */
int bridgePushNotice(struct sxMachine* the, uint32_t bytes);

/* main.c */
void hostExit(int code) __attribute__((noreturn));
void hostFail(const char* reason) __attribute__((noreturn));
uint32_t hostNativeStackPeak(void);
/* From where the C stack is painted, and where it begins. */
const uint8_t* hostStackLow(void);
const uint8_t* hostStackBase(void);
uint32_t hostImageWord(uint32_t index);
const MemoryBlock* hostBlock(void);

/*
 * The pipe carries frames: one byte of type, four of length, the payload. The guest always speaks first; the host
 * answers each request (Q, K) and each call (C) with one R, and each wait (W) with one event (E: bytes), one notice (N:
 * values of the bridge) or the order to stop (S). So the guest queues nothing, and nothing reaches it but while it waits.
 */
enum { FRAME_BYTES_MAX = 65536 };
enum {
	FRAME_PRINT = 'P',
	FRAME_REQUEST = 'Q',
	FRAME_KEYS = 'K',
	FRAME_CALL = 'C',
	FRAME_TRACE = 'T',
	FRAME_WAIT = 'W',
	FRAME_DUMP = 'D',
	FRAME_EXIT = 'X',
	FRAME_REPLY = 'R',
	FRAME_EVENT = 'E',
	FRAME_NOTICE = 'N',
	FRAME_STOP = 'S'
};
extern uint8_t gFrame[FRAME_BYTES_MAX];
void frameWrite(uint8_t type, const void* payload, uint32_t bytes);
/* Waits for a frame, puts its payload into gFrame and its length into *bytes. Ends the process where the pipe ends. */
uint8_t frameRead(uint32_t* bytes);
/* One request, one reply; answers the reply's length. */
uint32_t frameExchange(uint8_t type, const void* payload, uint32_t bytes);
/* What frameWrite and frameRead have taken so far. */
uint64_t pipeInstructions(void);
uint64_t pipeNanoseconds(void);

/* machine-posix.c or machine-rv32.c */
const uint8_t* machineImage(int argc, char** argv);
void machineWrite(const void* bytes, uint32_t count);
void machineRead(void* bytes, uint32_t count);
uint64_t machineNanoseconds(void);
/* Retired instructions since the start; 0 where the machine cannot say. */
uint64_t machineInstructions(void);
void machineExit(int code) __attribute__((noreturn));

#endif
