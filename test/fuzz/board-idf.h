/* As much of ESP-IDF as serial-link.c and slots.c ask for, by its names; board.c is it. */
#ifndef BOARD_IDF_H
#define BOARD_IDF_H

#include "engine.h"

#define SOC_USB_SERIAL_JTAG_SUPPORTED 1
#define CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK 1

typedef int esp_err_t;
enum { ESP_OK = 0, ESP_FAIL = -1, ESP_ERR_OTA_VALIDATE_FAILED = 0x1503, ESP_ERR_OTA_SMALL_SEC_VER = 0x1504, ESP_ERR_OTA_ROLLBACK_FAILED = 0x1505 };

typedef struct {
	uint32_t tx_buffer_size, rx_buffer_size;
} usb_serial_jtag_driver_config_t;
bool usb_serial_jtag_is_driver_installed(void);
esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t* config);
esp_err_t usb_serial_jtag_driver_uninstall(void);
int usb_serial_jtag_read_bytes(void* to, uint32_t bytes, uint32_t ticks);
int usb_serial_jtag_write_bytes(const void* from, size_t bytes, uint32_t ticks);

typedef int esp_partition_subtype_t;
enum { ESP_PARTITION_TYPE_APP = 0, ESP_PARTITION_SUBTYPE_APP_OTA_MIN = 0x10 };
typedef struct {
	uint32_t size;
	esp_partition_subtype_t subtype;
} esp_partition_t;
const esp_partition_t* esp_partition_find_first(int type, esp_partition_subtype_t subtype, const char* label);
esp_err_t esp_partition_read(const esp_partition_t* partition, size_t at, void* to, size_t bytes);

typedef enum {
	ESP_OTA_IMG_NEW,
	ESP_OTA_IMG_PENDING_VERIFY,
	ESP_OTA_IMG_VALID,
	ESP_OTA_IMG_INVALID,
	ESP_OTA_IMG_ABORTED,
	ESP_OTA_IMG_UNDEFINED = -1
} esp_ota_img_states_t;
const esp_partition_t* esp_ota_get_running_partition(void);
const esp_partition_t* esp_ota_get_next_update_partition(const esp_partition_t* from);
esp_err_t esp_ota_get_state_partition(const esp_partition_t* partition, esp_ota_img_states_t* state);
esp_err_t esp_ota_set_boot_partition(const esp_partition_t* partition);
esp_err_t esp_ota_mark_app_valid_cancel_rollback(void);
esp_err_t esp_ota_mark_app_invalid_rollback(void);

typedef int psa_status_t;
typedef int psa_hash_operation_t;
enum { PSA_SUCCESS = 0, PSA_ALG_SHA_256 = 9 };
#define PSA_HASH_OPERATION_INIT 0
psa_status_t psa_crypto_init(void);
psa_status_t psa_hash_setup(psa_hash_operation_t* operation, int algorithm);
psa_status_t psa_hash_update(psa_hash_operation_t* operation, const uint8_t* bytes, size_t count);
psa_status_t psa_hash_abort(psa_hash_operation_t* operation);
psa_status_t psa_hash_finish(psa_hash_operation_t* operation, uint8_t* digest, size_t room, size_t* written);

#endif
