/*
 * What the XS engine needs to know of the machine that it is compiled for: this file is its XSPLATFORM.
 *
 * Promises: the engine is the one a board runs. Identifiers have 16 bits, host functions are primitives, there is no
 * console, no debugger and one thread, and misaligned access is avoided on RISC-V, all as in Moddable's esp platform.
 * Three targets share it: x64 and m32 (Linux processes) and rv32 (bare-metal RV32IMC with picolibc).
 */
#ifndef XSHOST_H
#define XSHOST_H

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define mxExport extern
#define mxImport extern
#define XS_FUNCTION_NORETURN __attribute__((noreturn))

/* A function of the host is one slot with a pointer into flash, and no object of its own. */
#define mxHostFunctionPrimitive 1

/* An ESP32-C3 traps where a word is read at an odd address; so bytecode and typed arrays are read bytewise there. */
#ifdef __riscv
	#define mxUnalignedAccess 0
	#define mxMisalignedSettersCrash 1
#endif
#define mxIntegerDivideOverflowException 0

/* A board's path buffers are short; PATH_MAX of Linux would put 8 KB on the C stack for each import. */
#undef PATH_MAX
#define PATH_MAX 256
#define C_PATH_MAX PATH_MAX

/*
 * Fields of ours in every machine. A machine with a block takes all its memory from it (memory.c); one without takes
 * it from malloc.
 */
#define mxMachinePlatform \
	uint8_t* block; \
	uint8_t* blockChunks; \
	uint8_t* blockSlots; \
	uint32_t blockPeak; /* most bytes of the block that both sides had taken at once */ \
	uint32_t collections; \
	uint16_t collectionsSeen; \
	int promiseJobs; \
	void* waiterCondition; \
	void* waiterData; \
	void* waiterLink;

#define mxUseDefaultBuildKeys 1
#define mxUseDefaultParseScript 1
#define mxUseDefaultSharedChunks 1

/* The native stack that a machine of ours may use, in bytes; see main.c. */
extern uint32_t gStackBytes;

#endif
