/* As much of ESP-IDF as board-esp32.c asks for, by its names; natives.c is it. */
#ifndef NATIVES_IDF_H
#define NATIVES_IDF_H

#include "engine.h"

typedef int esp_err_t;
enum { ESP_OK = 0, ESP_FAIL = -1, ESP_ERR_NVS_NOT_FOUND = 0x1102, ESP_ERR_NVS_INVALID_LENGTH = 0x110c };

/* RTC memory is a section of its own, whose bounds the linker names. */
#define RTC_NOINIT_ATTR __attribute__((section("rtc_noinit")))
typedef enum { ESP_RST_UNKNOWN, ESP_RST_POWERON } esp_reset_reason_t;
esp_reset_reason_t esp_reset_reason(void);
void esp_fill_random(void* bytes, size_t count);
enum { WIFI_IF_STA };
esp_err_t esp_wifi_get_inactive_time(int interface, uint16_t* seconds);

typedef uint32_t nvs_handle_t;
typedef enum { NVS_TYPE_U8 = 1, NVS_TYPE_BLOB = 0x42 } nvs_type_t;
enum { NVS_READONLY, NVS_READWRITE };
esp_err_t nvs_open(const char* domain, int mode, nvs_handle_t* handle);
void nvs_close(nvs_handle_t handle);
esp_err_t nvs_find_key(nvs_handle_t handle, const char* slot, nvs_type_t* type);
esp_err_t nvs_get_blob(nvs_handle_t handle, const char* slot, void* to, size_t* bytes);
esp_err_t nvs_set_blob(nvs_handle_t handle, const char* slot, const void* from, size_t bytes);
esp_err_t nvs_commit(nvs_handle_t handle);
esp_err_t nvs_erase_key(nvs_handle_t handle, const char* slot);

#endif
