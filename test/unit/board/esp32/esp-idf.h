/*
 * As much of ESP-IDF and of the SDK as firmware/board/native/chip-esp32.c asks for, by their names, for a test on this machine. Every header
 * that it includes is this file (chip-esp32.test.ts).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
enum {
	ESP_OK = 0,
	ESP_FAIL = -1,
	ESP_ERR_NVS_NO_FREE_PAGES = 0x110d,
	ESP_ERR_NVS_NEW_VERSION_FOUND = 0x1110,
	ESP_ERR_NVS_KEYS_NOT_INITIALIZED = 0x1117,
	ESP_ERR_NVS_CORRUPT_KEY_PART = 0x1118
};

#define RTC_NOINIT_ATTR
typedef unsigned char StackType_t;
typedef enum {
	ESP_RST_UNKNOWN,
	ESP_RST_POWERON,
	ESP_RST_EXT,
	ESP_RST_SW,
	ESP_RST_PANIC,
	ESP_RST_INT_WDT,
	ESP_RST_TASK_WDT,
	ESP_RST_WDT,
	ESP_RST_DEEPSLEEP,
	ESP_RST_BROWNOUT,
	ESP_RST_SDIO,
	ESP_RST_USB,
	ESP_RST_JTAG,
	ESP_RST_EFUSE,
	ESP_RST_PWR_GLITCH,
	ESP_RST_CPU_LOCKUP
} esp_reset_reason_t;
esp_reset_reason_t esp_reset_reason(void);
void esp_restart(void);
esp_err_t esp_efuse_mac_get_default(uint8_t* mac);
bool esp_secure_boot_enabled(void);
enum { MALLOC_CAP_8BIT = 1 << 2, MALLOC_CAP_INTERNAL = 1 << 11 };
size_t heap_caps_get_free_size(uint32_t caps);
size_t heap_caps_get_largest_free_block(uint32_t caps);
size_t heap_caps_get_minimum_free_size(uint32_t caps);
typedef enum { ESP_FLASH_ENC_MODE_DISABLED, ESP_FLASH_ENC_MODE_DEVELOPMENT, ESP_FLASH_ENC_MODE_RELEASE } esp_flash_enc_mode_t;
esp_flash_enc_mode_t esp_get_flash_encryption_mode(void);

typedef struct {
	uint32_t size;
} esp_partition_t;
enum { ESP_PARTITION_TYPE_DATA = 1, ESP_PARTITION_SUBTYPE_DATA_NVS = 2 };
#define NVS_DEFAULT_PART_NAME "nvs"
const esp_partition_t* esp_partition_find_first(int type, int subtype, const char* label);
esp_err_t esp_partition_read_raw(const esp_partition_t* partition, size_t at, void* to, size_t bytes);

enum { NVS_KEY_SIZE = 32 };
typedef struct {
	uint8_t eky[NVS_KEY_SIZE], tky[NVS_KEY_SIZE];
} nvs_sec_cfg_t;
typedef struct {
	int unused;
} nvs_sec_scheme_t;
nvs_sec_scheme_t* nvs_flash_get_default_security_scheme(void);
esp_err_t nvs_flash_read_security_cfg_v2(nvs_sec_scheme_t* scheme, nvs_sec_cfg_t* keys);
esp_err_t nvs_flash_init(void);

typedef struct {
	int unused;
} esp_aes_xts_context;
enum { ESP_AES_DECRYPT = 0 };
void esp_aes_xts_init(esp_aes_xts_context* context);
void esp_aes_xts_free(esp_aes_xts_context* context);
int esp_aes_xts_setkey_dec(esp_aes_xts_context* context, const unsigned char* key, unsigned bits);
int esp_aes_crypt_xts(esp_aes_xts_context* context, int mode, size_t bytes, const unsigned char* unit, const unsigned char* in, unsigned char* out);

typedef struct {
	int nativeStackSize;
} xsCreation;
#define XT_STACK_EXTRA_CLIB 1024
void xTaskCreate(void (*task)(void*), const char* name, uint32_t stack, void* parameter, int priority, void* handle);
void vTaskDelete(void* task);
