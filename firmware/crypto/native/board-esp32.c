/*
 * The board of the native keys on an ESP32: its noise source, the mark of its failure in RTC memory, and NVS, namespace
 * `keys`, where the SDK's key-value storage would put the same bytes. Compiled to nothing elsewhere.
 *
 * A manifest whose `defines` have `chainmote.ethernet` is that of a board without Wi-Fi: the source is then the one that the
 * bootloader uses, on for each draw alone. It takes the ADC, and excludes a radio. One with `chainmote.emulator` is that of an
 * image for Espressif's QEMU, whose generator rightly fails the health tests: a stand-in that anybody can compute, so that its keys are
 * worth nothing. Such an image cannot be compiled with the locks of the profile production.
 */
#ifdef ESP32

#include "board.h"

#include "mc.defines.h"

#include "esp_attr.h"
#include "esp_random.h"
#include "esp_system.h"
#if MODDEF_CHAINMOTE_EMULATOR
	#include "sdkconfig.h"
	#if CONFIG_SECURE_BOOT || CONFIG_SECURE_FLASH_ENC_ENABLED || CONFIG_NVS_ENCRYPTION
		#error "the emulator's stand-in for noise is no part of a production image: its keys can be computed"
	#endif
#elif MODDEF_CHAINMOTE_ETHERNET
	#include "bootloader_random.h"
#else
	#include "esp_wifi.h"
#endif
#include "nvs_flash/include/nvs.h" /* as the SDK names it: its include path has the components, not this folder */

static const char* const DOMAIN = "keys";
enum { SECRET_BYTES = 32 };

/* The generator is fed by the radio; until that is on, what it gives is pseudo-random, and no test could tell. The
 * driver answers this question only once it is started. */
bool boardNoise(uint8_t* bytes, size_t count)
{
#if MODDEF_CHAINMOTE_EMULATOR
	static uint64_t state; /* SplitMix64 */
	if (state == 0)
		state = ((uint64_t)esp_random() << 32) ^ esp_random();
	for (size_t i = 0; i < count; i++) {
		state += 0x9e3779b97f4a7c15;
		uint64_t mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
		mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
		bytes[i] = (uint8_t)(mixed ^ (mixed >> 31));
	}
	return true;
#elif MODDEF_CHAINMOTE_ETHERNET
	bootloader_random_enable();
	esp_fill_random(bytes, count);
	bootloader_random_disable();
	return true;
#else
	uint16_t seconds;
	if (esp_wifi_get_inactive_time(WIFI_IF_STA, &seconds) != ESP_OK)
		return false;
	esp_fill_random(bytes, count);
	return true;
#endif
}

/* RTC memory lasts through every reset but that of the power, after which it holds anything. One mark of three is enough:
 * a bit that rots must not pardon the source. */
enum { FAILED_MARK = 0x6e2c91b7, FAILED_MARKS = 3 };
static RTC_NOINIT_ATTR uint32_t failedMarks[FAILED_MARKS];

static void forgetAfterPowerOn(void)
{
	static bool looked;
	if (!looked && esp_reset_reason() == ESP_RST_POWERON)
		for (int i = 0; i < FAILED_MARKS; i++)
			failedMarks[i] = 0;
	looked = true;
}

bool boardNoiseFailed(void)
{
	forgetAfterPowerOn();
	for (int i = 0; i < FAILED_MARKS; i++)
		if (failedMarks[i] == FAILED_MARK)
			return true;
	return false;
}

void boardNoiseFails(void)
{
	forgetAfterPowerOn();
	for (int i = 0; i < FAILED_MARKS; i++)
		failedMarks[i] = FAILED_MARK;
}

SlotState boardReadSecret(const char* slot, uint8_t secret[32])
{
	nvs_handle_t domain;
	size_t bytes = SECRET_BYTES;
	esp_err_t error = nvs_open(DOMAIN, NVS_READONLY, &domain);
	if (error == ESP_ERR_NVS_NOT_FOUND)
		return SLOT_EMPTY;
	if (error != ESP_OK)
		return SLOT_UNREADABLE;
	/* Asked for its type first: what nvs_get_blob says of a value that is no blob is not documented. */
	nvs_type_t type;
	error = nvs_find_key(domain, slot, &type);
	bool empty = error == ESP_ERR_NVS_NOT_FOUND;
	bool read = error == ESP_OK && type == NVS_TYPE_BLOB && nvs_get_blob(domain, slot, secret, &bytes) == ESP_OK;
	nvs_close(domain);
	if (empty)
		return SLOT_EMPTY;
	return read && bytes == SECRET_BYTES ? SLOT_HAS_SECRET : SLOT_UNREADABLE;
}

bool boardWriteSecret(const char* slot, const uint8_t secret[32])
{
	nvs_handle_t domain;
	if (nvs_open(DOMAIN, NVS_READWRITE, &domain) != ESP_OK)
		return false;
	bool kept = nvs_set_blob(domain, slot, secret, SECRET_BYTES) == ESP_OK && nvs_commit(domain) == ESP_OK;
	nvs_close(domain);
	return kept;
}

void boardDeleteSecret(const char* slot)
{
	nvs_handle_t domain;
	if (nvs_open(DOMAIN, NVS_READWRITE, &domain) != ESP_OK)
		return;
	if (nvs_erase_key(domain, slot) == ESP_OK)
		nvs_commit(domain);
	nvs_close(domain);
}

#endif
