/*
 * As much of XS and of ESP-IDF as firmware/board/native/sleep.c has to do with, for a test on this machine: a buffer that is given, one that is
 * answered, a number, and an error that ends the call.
 */
#ifndef SLEEP_ENGINE_H
#define SLEEP_ENGINE_H

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct xsMachine {
	/* The argument: bytes, or a number. */
	uint8_t* bytes;
	uint32_t byteLength;
	double number;
	/* What was answered. */
	uint8_t* answered;
	uint32_t answeredBytes;
	const char* thrown;
	jmp_buf out;
} xsMachine;

typedef double xsNumberValue;
typedef uint32_t xsUnsignedValue;

#define xsArg(i) (i)
/* An argument is given with every call. */
#define xsmcArgc 1
#define xsResult 0
#define xsmcGetBufferReadable(slot, to, length) (*(to) = the->bytes, *(length) = the->byteLength, (void)(slot))
#define xsmcToNumber(slot) ((void)(slot), the->number)
#define xsmcSetArrayBuffer(slot, from, length) ((void)(slot), answer(the, from, length))
#define xsTypeError(text) (the->thrown = (text), longjmp(the->out, 1))
#define xsRangeError(text) (the->thrown = (text), longjmp(the->out, 1))
#define xsUnknownError(text) (the->thrown = (text), longjmp(the->out, 1))

/* Of just its length, so that the sanitizer sees a byte too many. */
static inline void answer(xsMachine* the, const void* from, uint32_t length)
{
	the->answered = malloc(length);
	the->answeredBytes = length;
	memcpy(the->answered, from, length);
}

#define RTC_NOINIT_ATTR

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_SLEEP_WAKEUP_ALL 1
typedef struct {
	uint8_t app_elf_sha256[32];
} esp_app_desc_t;

const esp_app_desc_t* esp_app_get_description(void);
esp_err_t esp_sleep_disable_wakeup_source(int source);
esp_err_t esp_sleep_enable_timer_wakeup(uint64_t us);
void esp_deep_sleep_start(void);

#endif
