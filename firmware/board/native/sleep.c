/*
 * Deep sleep for the module `chainmote/sleep`, over ESP-IDF, and 256 bytes of RTC memory that last through it.
 *
 * Promises: that memory is read and written inside its bounds alone, whatever is given; each write leaves zeros where it gives nothing, so that
 * nothing of an earlier one is left. The timer is the only thing that wakes the chip.
 * Never: looks at what is kept there (firmware/sleep/sleep.ts); sleeps for a time that nobody has meant.
 * The memory is RTC_NOINIT: like the chip's own it lasts through every reset but that of the power, after which it holds anything.
 */

#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"

#include <stdint.h>
#include <string.h>

#include "esp_app_format/include/esp_app_desc.h" /* as the SDK names it: its include path has the components, not this folder */
#include "esp_attr.h"
#include "esp_sleep.h"

#define MEMORY_BYTES 256
#define IMAGE_BYTES 32
/* A day: the longest interval of a sensor. */
#define SLEEP_MS_MAX 86400000
#define US_PER_MS 1000u

static RTC_NOINIT_ATTR uint8_t memory[MEMORY_BYTES];

void xs_chainmote_sleep_read(xsMachine *the)
{
	uint8_t copy[MEMORY_BYTES];

	/* A collection may move what is written to while it is made. */
	memcpy(copy, memory, MEMORY_BYTES);
	xsmcSetArrayBuffer(xsResult, copy, MEMORY_BYTES);
}

void xs_chainmote_sleep_write(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue byteLength;

	if (xsmcArgc < 1)
		xsTypeError("nothing to write");
	xsmcGetBufferReadable(xsArg(0), &bytes, &byteLength);
	if (byteLength > MEMORY_BYTES)
		xsRangeError("more than the memory has");
	/* Its end first: what is cut short then is no older state, whole. */
	memset(memory + byteLength, 0, MEMORY_BYTES - byteLength);
	if (byteLength > 0)
		memcpy(memory, bytes, byteLength);
}

void xs_chainmote_sleep_image(xsMachine *the)
{
	const esp_app_desc_t *description = esp_app_get_description();

	xsmcSetArrayBuffer(xsResult, (void *)description->app_elf_sha256, IMAGE_BYTES);
}

void xs_chainmote_sleep_deep(xsMachine *the)
{
	xsNumberValue ms = xsmcArgc > 0 ? xsmcToNumber(xsArg(0)) : 0;

	/* Not so of what is no number, either. */
	if (!(ms >= 1 && ms <= SLEEP_MS_MAX))
		xsRangeError("no time to sleep");
	esp_sleep_disable_wakeup_source(ESP_SLEEP_WAKEUP_ALL);
	if (esp_sleep_enable_timer_wakeup((uint64_t)ms * US_PER_MS) != ESP_OK)
		xsUnknownError("no timer to wake by");
	esp_deep_sleep_start();
}
