/*
 * The host on bare metal: the `virt` board of qemu-system-riscv32 with one RV32IMC core in machine mode.
 *
 * The image lies in RAM, where QEMU's loader put it; the pipe is UART0 (a 16550) behind a Unix socket; the end is a
 * word to the test device. Under `-icount shift=0` one instruction takes one nanosecond of the machine's time, so the
 * cycle counter counts instructions and two runs of one image count alike.
 */
#include "host.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define UART ((volatile uint8_t*)0x10000000)
#define UART_INTERRUPTS 1
#define UART_INTERRUPT_RECEIVED 0x01
#define UART_SOURCE 10
#define UART_FIFO_CONTROL 2
#define UART_FIFO_ON 0xC7 /* on, emptied, and an interrupt for 14 bytes or a pause: a byte each would be ten times slower */
#define UART_LINE_STATUS 5
#define UART_RECEIVED 0x01
#define UART_SENT 0x20
#define UART_IDLE 0x40 /* sent, to the last byte */
/* The interrupt controller, as far as one source of one core goes. */
#define PLIC_PRIORITY(source) (*(volatile uint32_t*)(0x0C000000 + 4 * (source)))
#define PLIC_ENABLE (*(volatile uint32_t*)0x0C002000)
#define PLIC_THRESHOLD (*(volatile uint32_t*)0x0C200000)
#define PLIC_CLAIM (*(volatile uint32_t*)0x0C200004)
#define MACHINE_EXTERNAL_INTERRUPT 0x800
#define TEST_DEVICE (*(volatile uint32_t*)0x00100000)
#define TEST_PASS 0x5555u
#define TEST_FAIL 0x3333u
#define IMAGE_ADDRESS ((const uint8_t*)0x84000000)

const uint8_t* machineImage(int argc, char** argv)
{
	(void)argc;
	(void)argv;
	UART[UART_FIFO_CONTROL] = UART_FIFO_ON;
	UART[UART_INTERRUPTS] = UART_INTERRUPT_RECEIVED;
	PLIC_PRIORITY(UART_SOURCE) = 1;
	PLIC_ENABLE = 1u << UART_SOURCE;
	PLIC_THRESHOLD = 0;
	__asm__ volatile("csrs mie, %0" : : "r"(MACHINE_EXTERNAL_INTERRUPT));
	return IMAGE_ADDRESS;
}

void machineWrite(const void* bytes, uint32_t count)
{
	const uint8_t* from = bytes;
	while (count--) {
		while (!(UART[UART_LINE_STATUS] & UART_SENT))
			;
		UART[0] = *from++;
	}
}

/* Polling would keep the emulator from its own work, a millisecond a byte. Interrupts stay off as a whole; one that is
 * enabled and pending ends the sleep all the same (Privileged Architecture §3.3.3), and is then put aside. */
static void sleepUntilReceived(void)
{
	__asm__ volatile("wfi");
	uint32_t source = PLIC_CLAIM;
	if (source)
		PLIC_CLAIM = source;
}

void machineRead(void* bytes, uint32_t count)
{
	uint8_t* to = bytes;
	while (count--) {
		while (!(UART[UART_LINE_STATUS] & UART_RECEIVED))
			sleepUntilReceived();
		*to++ = UART[0];
	}
}

uint64_t machineInstructions(void)
{
	uint32_t high, low, again;
	do {
		__asm__ volatile("rdcycleh %0" : "=r"(high));
		__asm__ volatile("rdcycle %0" : "=r"(low));
		__asm__ volatile("rdcycleh %0" : "=r"(again));
	} while (high != again);
	return (uint64_t)high << 32 | low;
}

/* One instruction takes one nanosecond. */
uint64_t machineNanoseconds(void)
{
	return machineInstructions();
}

void machineExit(int code)
{
	while (!(UART[UART_LINE_STATUS] & UART_IDLE))
		; /* what the emulator still holds would end with it */
	TEST_DEVICE = code ? (uint32_t)code << 16 | TEST_FAIL : TEST_PASS;
	for (;;)
		;
}

/*
 * picolibc's copy and fill go byte by byte; the C library of a board's ROM goes word by word where both ends allow it, and
 * so do these, which take picolibc's place: a count of instructions shall not hold what no board executes.
 * The compiler must not see a copy in a copy, or it would call itself.
 */
#define NO_LIBRARY_CALLS __attribute__((optimize("no-tree-loop-distribute-patterns")))
typedef uint32_t __attribute__((may_alias)) Word;
enum { WORD_BYTES = sizeof(Word), UNROLLED_WORDS = 8 };

static bool isAligned(const void* address)
{
	return (uintptr_t)address % WORD_BYTES == 0;
}

NO_LIBRARY_CALLS void* memcpy(void* restrict target, const void* restrict source, size_t count)
{
	uint8_t* to = target;
	const uint8_t* from = source;
	if (((uintptr_t)to ^ (uintptr_t)from) % WORD_BYTES == 0) {
		for (; count && !isAligned(to); count--)
			*to++ = *from++;
		Word* toWord = (Word*)to;
		const Word* fromWord = (const Word*)from;
		for (; count >= UNROLLED_WORDS * WORD_BYTES; count -= UNROLLED_WORDS * WORD_BYTES, toWord += 8, fromWord += 8) {
			Word a = fromWord[0], b = fromWord[1], c = fromWord[2], d = fromWord[3];
			toWord[0] = a, toWord[1] = b, toWord[2] = c, toWord[3] = d;
			a = fromWord[4], b = fromWord[5], c = fromWord[6], d = fromWord[7];
			toWord[4] = a, toWord[5] = b, toWord[6] = c, toWord[7] = d;
		}
		for (; count >= WORD_BYTES; count -= WORD_BYTES)
			*toWord++ = *fromWord++;
		to = (uint8_t*)toWord;
		from = (const uint8_t*)fromWord;
	}
	while (count--)
		*to++ = *from++;
	return target;
}

NO_LIBRARY_CALLS void* memset(void* target, int value, size_t count)
{
	uint8_t* to = target;
	for (; count && !isAligned(to); count--)
		*to++ = (uint8_t)value;
	Word* toWord = (Word*)to;
	Word word = 0x01010101u * (uint8_t)value;
	for (; count >= UNROLLED_WORDS * WORD_BYTES; count -= UNROLLED_WORDS * WORD_BYTES, toWord += 8) {
		toWord[0] = word, toWord[1] = word, toWord[2] = word, toWord[3] = word;
		toWord[4] = word, toWord[5] = word, toWord[6] = word, toWord[7] = word;
	}
	for (; count >= WORD_BYTES; count -= WORD_BYTES)
		*toWord++ = word;
	to = (uint8_t*)toWord;
	while (count--)
		*to++ = (uint8_t)value;
	return target;
}

/* What picolibc wants of a system. The engine writes text only where it reports a parser's error. */
static int putText(char byte, FILE* file)
{
	static char line[256];
	static uint32_t length;
	(void)file;
	if (byte != '\n')
		line[length++] = byte;
	if (byte == '\n' || length == sizeof(line)) {
		frameWrite(FRAME_PRINT, line, length);
		length = 0;
	}
	return (unsigned char)byte;
}
static FILE text = FDEV_SETUP_STREAM(putText, NULL, NULL, _FDEV_SETUP_WRITE);
FILE* const stdout = &text;
FILE* const stderr = &text;
FILE* const stdin = NULL;

int gettimeofday(struct timeval* restrict now, void* restrict zone)
{
	uint64_t us = machineNanoseconds() / 1000u;
	(void)zone;
	now->tv_sec = (time_t)(us / 1000000u);
	now->tv_usec = (suseconds_t)(us % 1000000u);
	return 0;
}

void _exit(int code)
{
	machineExit(code);
}

/* A broken assumption of a library; picolibc's own would want signals. */
void abort(void)
{
	hostFail("aborted");
}
