/*
 * The SDK's app_main around firmware/board/native/chip-esp32.c, on this machine: what is called, in which order, is printed, a word a line.
 *
 * Input: a byte each of nvs_flash_init's answer (0 OK, 1 no free pages, 2 newer, 3 fails), of the reading of NVS's keys (0 OK, 1 not initialized,
 * 2 corrupt), of the reset reason (0x80 besides: the run before ended by chipRestart), and whether the partition is there; then the image, and behind it the image decrypted.
 */
#include "esp-idf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chip-board.h"

enum { INPUT_MAX = 1 << 20, SWITCHES = 4, ORDERLY = 0x80 };

unsigned chainmoteBegin(void);
static uint8_t input[INPUT_MAX];
static esp_partition_t partition;

static void say(const char* word)
{
	puts(word);
	fflush(stdout);
}

esp_reset_reason_t esp_reset_reason(void)
{
	return (esp_reset_reason_t)input[2];
}

void esp_restart(void)
{
	say("restart");
}

esp_err_t esp_efuse_mac_get_default(uint8_t* mac)
{
	memset(mac, 0x5a, MAC_BYTES);
	return ESP_OK;
}

static size_t ofInternal(uint32_t caps, size_t bytes)
{
	return caps == (MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT) ? bytes : 0;
}

size_t heap_caps_get_free_size(uint32_t caps)
{
	return ofInternal(caps, 3000);
}

size_t heap_caps_get_largest_free_block(uint32_t caps)
{
	return ofInternal(caps, 2000);
}

size_t heap_caps_get_minimum_free_size(uint32_t caps)
{
	return ofInternal(caps, 1000);
}

bool esp_secure_boot_enabled(void)
{
	return true;
}

esp_flash_enc_mode_t esp_get_flash_encryption_mode(void)
{
	return ESP_FLASH_ENC_MODE_DEVELOPMENT;
}

const esp_partition_t* esp_partition_find_first(int type, int subtype, const char* label)
{
	(void)type, (void)subtype, (void)label;
	return input[3] ? &partition : NULL;
}

esp_err_t esp_partition_read_raw(const esp_partition_t* from, size_t at, void* to, size_t bytes)
{
	if (from != &partition || at > partition.size || bytes > partition.size - at)
		abort();
	memcpy(to, input + SWITCHES + at, bytes);
	return ESP_OK;
}

nvs_sec_scheme_t* nvs_flash_get_default_security_scheme(void)
{
	static nvs_sec_scheme_t scheme;
	return &scheme;
}

esp_err_t nvs_flash_read_security_cfg_v2(nvs_sec_scheme_t* scheme, nvs_sec_cfg_t* keys)
{
	static const esp_err_t answers[] = { ESP_OK, ESP_ERR_NVS_KEYS_NOT_INITIALIZED, ESP_ERR_NVS_CORRUPT_KEY_PART };
	(void)scheme;
	memset(keys, 7, sizeof *keys);
	return answers[input[1]];
}

/* The real one makes keys where it reads none, and erases what it cannot read. */
esp_err_t nvs_flash_init(void)
{
	static const esp_err_t answers[] = { ESP_OK, ESP_ERR_NVS_NO_FREE_PAGES, ESP_ERR_NVS_NEW_VERSION_FOUND, ESP_FAIL };
	say("init");
	return answers[input[0]];
}

void esp_aes_xts_init(esp_aes_xts_context* context)
{
	(void)context;
}

void esp_aes_xts_free(esp_aes_xts_context* context)
{
	(void)context;
}

int esp_aes_xts_setkey_dec(esp_aes_xts_context* context, const unsigned char* key, unsigned bits)
{
	(void)context;
	return key[0] == 7 && key[63] == 7 && bits == 512 ? 0 : -1;
}

int esp_aes_crypt_xts(esp_aes_xts_context* context, int mode, size_t bytes, const unsigned char* unit, const unsigned char* in, unsigned char* out)
{
	uint32_t at = (uint32_t)unit[0] | (uint32_t)unit[1] << 8 | (uint32_t)unit[2] << 16 | (uint32_t)unit[3] << 24;
	(void)context, (void)in;
	if (mode != ESP_AES_DECRYPT || bytes != 32 || at > partition.size - bytes)
		abort();
	memcpy(out, input + SWITCHES + partition.size + at, bytes);
	return 0;
}

void setupDebugger(void)
{
	say("debugger");
}

void* xsPreparationAndCreation(xsCreation** creation)
{
	static xsCreation own = { 16384 };
	*creation = &own;
	return NULL;
}

void loop_task(void* parameter)
{
	(void)parameter;
}

void xTaskCreate(void (*task)(void*), const char* name, uint32_t stack, void* parameter, int priority, void* handle)
{
	(void)parameter, (void)handle;
	printf("task %s %u %d\n", name, stack, priority);
	if (task != loop_task)
		abort();
}

static void end(void)
{
	uint8_t mac[MAC_BYTES];
	chipMac(mac);
	printf("memory %d %d %d\n", chipMemory(MEMORY_FREE), chipMemory(MEMORY_LARGEST), chipMemory(MEMORY_LEAST));
	printf("fault %s\nreason %s\nsecurity %d\nprofile %s\n", chipStorageFault() == NULL ? "none" : chipStorageFault(), chipResetReason(),
		chipSecurity(), chipProfile());
	exit(0);
}

void vTaskDelete(void* task)
{
	say(task == NULL ? "gone" : "another");
	end();
}

int main(void)
{
	size_t size = fread(input, 1, sizeof input, stdin);
	partition.size = (uint32_t)((size - SWITCHES) / 2);
	/* As the run before has ended. */
	if (input[2] & ORDERLY)
		chipRestart();
	input[2] &= (uint8_t)~ORDERLY;
	if (chainmoteBegin() != 0)
		abort();
	/* ESP_ERROR_CHECK */
	if (nvs_flash_init() != ESP_OK)
		say("ABORT");
	setupDebugger();
	end();
}
