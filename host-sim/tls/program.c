/*
 * tls-engine.c as a program, for boards that are simulated on a host: requests on standard input, one reply to each on
 * standard output (host-sim/tls/engine.ts).
 *
 * A request is an operation (1 byte), a session (1), a number (4, little-endian), a length (4) and that many bytes; a reply a
 * number (4), a length (4) and the bytes. Promises: every allocation of the library and of ours is counted, with what an
 * allocator on a 32-bit board adds to it; the end of its input is its end. Never: a word of its own on standard error.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mbedtls/version.h"
#include "tls-engine.h"

enum { SESSIONS_MAX = 255, PAYLOAD_BYTES_MAX = 65536, HEADER_BYTES = 10, ALLOCATOR_BYTES = 8 };
#define STACK_PAINT 0xA5u
enum { STACK_PAINT_BYTES = 96 << 10, STACK_PAINT_GAP_BYTES = 512 };

static TlsEngine *gSessions[SESSIONS_MAX + 1];
static uint8_t gIn[PAYLOAD_BYTES_MAX], gOut[PAYLOAD_BYTES_MAX];

/* Counting allocator: linked in front of the C library's (-Wl,--wrap). Each block begins with its size. */
typedef union {
	size_t bytes;
	max_align_t alignment;
} Block;
static size_t gLive, gPeak;

void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *data);

void *__wrap_calloc(size_t count, size_t bytes)
{
	Block *block;
	size_t all;
	if (bytes != 0 && count > SIZE_MAX / 2 / bytes)
		return NULL;
	all = count * bytes;
	block = __real_calloc(1, sizeof(Block) + all);
	if (!block)
		return NULL;
	block->bytes = all + ALLOCATOR_BYTES;
	gLive += block->bytes;
	if (gLive > gPeak)
		gPeak = gLive;
	return block + 1;
}

void *__wrap_malloc(size_t bytes)
{
	return __wrap_calloc(1, bytes);
}

void __wrap_free(void *data)
{
	if (!data)
		return;
	Block *block = (Block *)data - 1;
	gLive -= block->bytes;
	__real_free(block);
}

/* C stack: what lies below main's frame is painted before an operation, and looked at afterwards. */
static volatile uint8_t *gStackBase;
static uint32_t gStackPeak;

static __attribute__((noinline)) void paintStack(void)
{
	for (volatile uint8_t *p = gStackBase - STACK_PAINT_BYTES; p < gStackBase - STACK_PAINT_GAP_BYTES; p++)
		*p = STACK_PAINT;
}

static __attribute__((noinline)) void lookAtStack(void)
{
	volatile uint8_t *p = gStackBase - STACK_PAINT_BYTES;
	while (p < gStackBase && *p == STACK_PAINT)
		p++;
	if ((uint32_t)(gStackBase - p) > gStackPeak)
		gStackPeak = (uint32_t)(gStackBase - p);
}

static void readAll(void *bytes, size_t count)
{
	if (fread(bytes, 1, count, stdin) != count)
		exit(0);
}

static uint32_t wordAt(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void putWord(uint8_t *p, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(word >> 8 * i);
}

static uint32_t putText(const char *text)
{
	size_t length = strlen(text);
	memcpy(gOut, text, length);
	return (uint32_t)length;
}

/* The payload: 8 bytes of time, one of the host's length, the host, the certificate. */
static uint32_t openSession(uint32_t bytes, uint32_t *number)
{
	char host[256];
	TlsFault fault;
	uint32_t session = 1;
	uint64_t nowS;
	while (session <= SESSIONS_MAX && gSessions[session])
		session++;
	*number = 0;
	if (session > SESSIONS_MAX || bytes < 9 || bytes < 9u + gIn[8])
		return putText("no session left");
	nowS = (uint64_t)wordAt(gIn) | (uint64_t)wordAt(gIn + 4) << 32;
	memcpy(host, gIn + 9, gIn[8]);
	host[gIn[8]] = 0;
	gSessions[session] = tlsOpen(gIn + 9 + gIn[8], bytes - 9 - gIn[8], host, (int64_t)nowS, &fault);
	if (!gSessions[session])
		return putText(tlsFaultText(fault));
	*number = session;
	return 0;
}

static uint32_t perform(uint8_t operation, TlsEngine *engine, uint32_t bytes, uint32_t *number)
{
	uint32_t wanted = *number < PAYLOAD_BYTES_MAX ? *number : PAYLOAD_BYTES_MAX;
	*number = 0;
	switch (operation) {
	case 'e': tlsEnd(engine); return 0;
	case 's': *number = (uint32_t)(tlsAvailable(engine) * 4 + (size_t)tlsState(engine)); return 0;
	case 'x': return putText(tlsFaultText(tlsFault(engine)));
	case 'm': *number = (uint32_t)tlsRoom(engine); return 0;
	case 'f': tlsFeed(engine, gIn, bytes); return 0;
	case 't': return (uint32_t)tlsTake(engine, gOut, wanted);
	case 'r': return (uint32_t)tlsRead(engine, gOut, wanted);
	case 'i': *number = (uint32_t)tlsFits(engine, wanted); return 0;
	case 'w': *number = (uint32_t)tlsWrite(engine, gIn, bytes, wanted != 0); return 0;
	default: exit(2);
	}
}

static uint32_t answer(uint8_t operation, uint8_t session, uint32_t bytes, uint32_t *number)
{
	switch (operation) {
	case 'o': return openSession(bytes, number);
	case 'c':
		tlsClose(gSessions[session]);
		gSessions[session] = NULL;
		return 0;
	case 'p': /* live and peak bytes, peak of the stack; peaks begin again */
		putWord(gOut, (uint32_t)gLive);
		putWord(gOut + 4, (uint32_t)gPeak);
		putWord(gOut + 8, gStackPeak);
		gPeak = gLive;
		gStackPeak = 0;
		*number = (uint32_t)sizeof(void *) * 8;
		return 12;
	case 'v': return putText(MBEDTLS_VERSION_STRING_FULL);
	default:
		if (!gSessions[session])
			exit(3);
		return perform(operation, gSessions[session], bytes, number);
	}
}

int main(void)
{
	uint8_t header[HEADER_BYTES];
	gStackBase = header;
	for (;;) {
		readAll(header, sizeof(header));
		uint32_t number = wordAt(header + 2), bytes = wordAt(header + 6);
		if (bytes > PAYLOAD_BYTES_MAX)
			return 4;
		readAll(gIn, bytes);
		paintStack();
		uint32_t length = answer(header[0], header[1], bytes, &number);
		lookAtStack();
		putWord(header, number);
		putWord(header + 4, length);
		if (fwrite(header, 1, 8, stdout) != 8 || fwrite(gOut, 1, length, stdout) != length || fflush(stdout) != 0)
			return 0;
	}
}
