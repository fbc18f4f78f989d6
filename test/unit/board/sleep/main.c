/*
 * Calls firmware/board/native/sleep.c by what it reads: `w` and a length of two bytes and as many bytes, `r`, `i`, `s` and a double. Says what came of
 * each: bytes in hexadecimal, `slept` and the microseconds, or what was thrown.
 */
#include "engine.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

void xs_chainmote_sleep_read(xsMachine* the);
void xs_chainmote_sleep_write(xsMachine* the);
void xs_chainmote_sleep_image(xsMachine* the);
void xs_chainmote_sleep_deep(xsMachine* the);

static uint64_t timerUs;
static bool cleared;

const esp_app_desc_t* esp_app_get_description(void)
{
	static esp_app_desc_t description;
	memset(description.app_elf_sha256, 0xe1, sizeof description.app_elf_sha256);
	return &description;
}

esp_err_t esp_sleep_disable_wakeup_source(int source)
{
	cleared = source == ESP_SLEEP_WAKEUP_ALL;
	return ESP_OK;
}

esp_err_t esp_sleep_enable_timer_wakeup(uint64_t us)
{
	timerUs = us;
	return us == 7000 ? -1 : ESP_OK;
}

void esp_deep_sleep_start(void)
{
	printf("slept %" PRIu64 "%s\n", timerUs, cleared ? "" : " with another source");
}

static void call(void (*function)(xsMachine*), xsMachine* the)
{
	if (setjmp(the->out) == 0)
		function(the);
	if (the->thrown != NULL)
		printf("%s", the->thrown);
	for (uint32_t i = 0; i < the->answeredBytes; i++)
		printf("%02x", the->answered[i]);
	if (function != xs_chainmote_sleep_deep || the->thrown != NULL)
		printf("\n");
	free(the->answered);
}

int main(void)
{
	int what;
	while ((what = getchar()) != EOF) {
		xsMachine machine = { 0 };
		if (what == 'w') {
			uint8_t head[2];
			if (fread(head, 1, 2, stdin) != 2)
				return 1;
			machine.byteLength = (uint32_t)(head[0] << 8 | head[1]);
			machine.bytes = malloc(machine.byteLength);
			if (fread(machine.bytes, 1, machine.byteLength, stdin) != machine.byteLength)
				return 1;
			call(xs_chainmote_sleep_write, &machine);
			free(machine.bytes);
		} else if (what == 's') {
			if (fread(&machine.number, 1, sizeof machine.number, stdin) != sizeof machine.number)
				return 1;
			call(xs_chainmote_sleep_deep, &machine);
		} else
			call(what == 'r' ? xs_chainmote_sleep_read : xs_chainmote_sleep_image, &machine);
	}
	return 0;
}
