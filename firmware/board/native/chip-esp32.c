/*
 * The board of `chainmote/chip` on an ESP32, and the way around the SDK's start: its app_main ends in an abort, and so in a restart for
 * ever, where `nvs_flash_init` fails; and NVS, where it cannot read what lies there, erases it.
 *
 * Promises: NVS is looked at before it is opened (nvs-pages.h), and opened only where it would lose nothing; what keeps it from that is
 * remembered, and the firmware runs all the same. Never: erases; makes a key of NVS's where an older one must have been.
 *
 * The hook is the SDK's own delay at the start (modPrelaunch, firmware/board/manifest-offline.json, `defines.startup`): the last thing that
 * app_main does before it opens NVS. An NVS that is open already is opened a second time without harm.
 *
 * Compiled to nothing elsewhere.
 */
#ifdef ESP32

#include "chip-board.h"

#include "nvs-pages.h"

#include "sdkconfig.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "esp_attr.h"
#include "esp_flash_encrypt.h"
#include "esp_heap_caps.h"
#include "esp_mac.h"
#include "esp_partition.h"
#include "esp_secure_boot.h"
#include "esp_system.h"
#include "nvs_flash/include/nvs_flash.h" /* as the SDK names it: its include path has the components, not this folder */

#include "xs.h"
#include "xsHost.h"
#include "xsHosts.h"

#include <string.h>

#if CONFIG_NVS_ENCRYPTION
	#if !CONFIG_MBEDTLS_HARDWARE_AES
		#error "NVS is decrypted here by the chip's AES, as NVS itself does it (CONFIG_MBEDTLS_HARDWARE_AES)"
	#endif
	#include "aes/esp_aes.h"
#endif

/* Of the SDK's main.c: the task that runs the firmware, and what comes before it. */
extern void loop_task(void* parameter);
extern void setupDebugger(void);
extern void* xsPreparationAndCreation(xsCreation** creation);
enum { LOOP_TASK_PRIORITY = 4, LOOP_TASK_STACK_BYTES = 10 * 1024 };

unsigned chainmoteBegin(void);

static const char* storageFault = "nvs-unopened";

/* RTC memory lasts through every reset but that of the power. Two words, for what the power leaves there may look like one. */
enum { ORDERLY_MARK = 0x51c0a7e3, ORDERLY_ANSWER = 0x2e3f581c };
static RTC_NOINIT_ATTR uint32_t orderlyMark[2];
static bool orderly;

static void takeOrderlyMark(void)
{
	orderly = orderlyMark[0] == ORDERLY_MARK && orderlyMark[1] == ORDERLY_ANSWER;
	orderlyMark[0] = 0;
	orderlyMark[1] = 0;
}

void chipRestart(void)
{
	orderlyMark[0] = ORDERLY_MARK;
	orderlyMark[1] = ORDERLY_ANSWER;
	esp_restart();
}

const char* chipResetReason(void)
{
	switch (esp_reset_reason()) {
	case ESP_RST_POWERON:
		return "power-on";
	case ESP_RST_SW:
		return orderly ? "software" : "panic";
	case ESP_RST_PANIC:
	case ESP_RST_CPU_LOCKUP:
		return "panic";
	case ESP_RST_TASK_WDT:
		return "task-watchdog";
	case ESP_RST_INT_WDT:
		return "interrupt-watchdog";
	case ESP_RST_WDT:
		return "watchdog";
	case ESP_RST_DEEPSLEEP:
		return "deep-sleep";
	case ESP_RST_BROWNOUT:
	case ESP_RST_PWR_GLITCH:
		return "brown-out";
	case ESP_RST_EXT:
	case ESP_RST_USB:
	case ESP_RST_JTAG:
		return "external";
	default:
		return "unknown";
	}
}

void chipMac(uint8_t mac[MAC_BYTES])
{
	if (esp_efuse_mac_get_default(mac) != ESP_OK)
		memset(mac, 0, MAC_BYTES);
}

int chipSecurity(void)
{
	int bits = 0;
	esp_flash_enc_mode_t mode = esp_get_flash_encryption_mode();

	if (esp_secure_boot_enabled())
		bits |= SECURE_BOOT;
	if (mode != ESP_FLASH_ENC_MODE_DISABLED)
		bits |= FLASH_ENCRYPTED;
	if (mode == ESP_FLASH_ENC_MODE_RELEASE)
		bits |= FLASH_RELEASE;
#if CONFIG_NVS_ENCRYPTION
	/* Opened, and so by its keys: NVS knows no other way in such an image. */
	if (storageFault == NULL)
		bits |= NVS_ENCRYPTED;
#endif
	return bits;
}

const char* chipProfile(void)
{
#if CONFIG_SECURE_BOOT_V2_ENABLED && CONFIG_SECURE_FLASH_ENCRYPTION_MODE_RELEASE && CONFIG_NVS_ENCRYPTION
	return "production";
#else
	return "dev";
#endif
}

const char* chipStorageFault(void)
{
	return storageFault;
}

int chipMemory(int which)
{
	const uint32_t internal = MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT;

	switch (which) {
	case MEMORY_LARGEST:
		return (int)heap_caps_get_largest_free_block(internal);
	case MEMORY_LEAST:
		return (int)heap_caps_get_minimum_free_size(internal);
	default:
		return (int)heap_caps_get_free_size(internal);
	}
}

static bool readPartition(void* context, uint32_t at, void* to, uint32_t bytes)
{
	return esp_partition_read_raw(*(const esp_partition_t**)context, at, to, bytes) == ESP_OK;
}

#if CONFIG_NVS_ENCRYPTION
typedef struct {
	const esp_partition_t* partition;
	esp_aes_xts_context keys;
} Encrypted;

static bool decryptEntry(void* context, uint32_t at, uint8_t entry[NVS_ENTRY_BYTES])
{
	uint8_t unit[16] = { (uint8_t)at, (uint8_t)(at >> 8), (uint8_t)(at >> 16), (uint8_t)(at >> 24) };
	return esp_aes_crypt_xts(&((Encrypted*)context)->keys, ESP_AES_DECRYPT, NVS_ENTRY_BYTES, unit, entry, entry) == 0;
}

#if CONFIG_NVS_SEC_KEY_PROTECT_USING_FLASH_ENC
/* The first start: neither keys nor anything that they could be for. */
static bool mayMakeKeys(const NvsPartition* nvs, esp_err_t error)
{
	return error == ESP_ERR_NVS_KEYS_NOT_INITIALIZED && nvsLook(nvs) == NVS_BLANK;
}
#endif
#endif

static const char* faultOf(NvsState state)
{
	switch (state) {
	case NVS_SOUND:
	case NVS_BLANK:
		return NULL;
	case NVS_PLAINTEXT:
		return "nvs-plaintext";
	case NVS_UNREADABLE:
		return "nvs-unreadable";
	default:
		return "nvs-corrupt";
	}
}

/* What keeps NVS from being opened without loss. */
static const char* lookAtStorage(const esp_partition_t* partition)
{
	NvsPartition nvs = { readPartition, NULL, (void*)&partition, partition->size };
#if CONFIG_NVS_ENCRYPTION
	Encrypted encrypted = { .partition = partition };
	nvs_sec_cfg_t keys;
	nvs_sec_scheme_t* scheme = nvs_flash_get_default_security_scheme();
	if (scheme == NULL)
		return "nvs-keys";
	esp_err_t error = nvs_flash_read_security_cfg_v2(scheme, &keys);
	#if CONFIG_NVS_SEC_KEY_PROTECT_USING_FLASH_ENC
		if (error != ESP_OK && mayMakeKeys(&nvs, error))
			return NULL;
	#endif
	/* By HMAC the key is burnt before the first start: later ones could not be kept from being read. */
	if (error != ESP_OK)
		return "nvs-keys";
	esp_aes_xts_init(&encrypted.keys);
	bool set = esp_aes_xts_setkey_dec(&encrypted.keys, (const uint8_t*)&keys, 2 * NVS_KEY_SIZE * 8) == 0;
	memset(&keys, 0, sizeof keys);
	nvs.decrypt = decryptEntry;
	nvs.context = &encrypted;
	const char* fault = set ? faultOf(nvsLook(&nvs)) : "nvs-keys";
	esp_aes_xts_free(&encrypted.keys);
	return fault;
#else
	return faultOf(nvsLook(&nvs));
#endif
}

static const char* openStorage(void)
{
	const esp_partition_t* partition =
		esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_DATA_NVS, NVS_DEFAULT_PART_NAME);
	if (partition == NULL)
		return "nvs-missing";
	const char* fault = lookAtStorage(partition);
	if (fault != NULL)
		return fault;
	switch (nvs_flash_init()) {
	case ESP_OK:
		return NULL;
	case ESP_ERR_NVS_NO_FREE_PAGES:
		return "nvs-full";
	case ESP_ERR_NVS_NEW_VERSION_FOUND:
		return "nvs-newer";
	default:
		return "nvs-failed";
	}
}

/* Called by app_main, in its task, before it opens NVS. Answers the milliseconds that the SDK is to wait: none. */
unsigned chainmoteBegin(void)
{
	xsCreation* creation;

	takeOrderlyMark();
	storageFault = openStorage();
	if (storageFault == NULL)
		return 0;
	/* app_main would abort in its next line. What it does after that line is done here, and it never goes on. */
	setupDebugger();
	xsPreparationAndCreation(&creation);
	uint32_t stackBytes = creation->nativeStackSize ? creation->nativeStackSize : LOOP_TASK_STACK_BYTES;
	xTaskCreate(loop_task, "main", (stackBytes + XT_STACK_EXTRA_CLIB) / sizeof(StackType_t), NULL, LOOP_TASK_PRIORITY, NULL);
	vTaskDelete(NULL);
	return 0;
}

#endif
