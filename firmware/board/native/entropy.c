/*
 * Noise of the chip for the module `chainmote/entropy`.
 *
 * Promises: bytes only while the Wi-Fi radio runs and feeds the generator (ESP-IDF, "Random Number Generation": without
 * a radio or the bootloader's source it is pseudo-random). Never turns a source on by itself: bootloader_random_enable
 * and the radio exclude each other, and the radio is on whenever a mote makes its key.
 */

#include "xsmc.h"
#include "xsHost.h"

#include "esp_random.h"
#include "esp_wifi.h"

void xs_chainmote_entropy_read(xsMachine *the)
{
	uint16_t seconds;
	void *buffer;
	xsUnsignedValue byteLength;

	/* A question that the driver answers only once it is started. */
	if (ESP_OK != esp_wifi_get_inactive_time(WIFI_IF_STA, &seconds))
		xsUnknownError("noise source is off");

	xsmcGetBufferWritable(xsArg(0), &buffer, &byteLength);
	esp_fill_random(buffer, byteLength);
}
