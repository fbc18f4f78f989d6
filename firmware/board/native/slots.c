/*
 * The two places of images for the module `chainmote/slots`: ESP-IDF's OTA slots, and what its bootloader notes of them.
 *
 * Promises: one call does one thing: an image is selected without a restart, marked without a restart, and hashed as the flash
 * gives it.
 * Never: ends or begins a session of the SDK's `embedded:update`, which selects a slot as soon as the last byte is written,
 * before anybody has read it back, and cannot go on where a cut has left it.
 */

#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"

#include <stdint.h>

#include "app_update/include/esp_ota_ops.h"
#include "esp_partition.h"
#include "psa/crypto.h"
#include "sdkconfig.h"

#ifdef CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK
/* Of ESP-IDF's component efuse, whose headers the SDK's makefile has no folder for. */
uint32_t esp_efuse_read_secure_version(void);
#endif

#define READ_BYTES 1024
#define DIGEST_BYTES 32
#define SLOTS 2

/* The order of STATES in slots.ts. */
enum { STATE_UNDEFINED, STATE_NEW, STATE_PENDING, STATE_VALID, STATE_INVALID, STATE_ABORTED };

static int stateOf(const esp_partition_t *partition)
{
	esp_ota_img_states_t state;

	if (esp_ota_get_state_partition(partition, &state) != ESP_OK)
		return STATE_UNDEFINED;
	switch (state) {
		case ESP_OTA_IMG_NEW:
			return STATE_NEW;
		case ESP_OTA_IMG_PENDING_VERIFY:
			return STATE_PENDING;
		case ESP_OTA_IMG_VALID:
			return STATE_VALID;
		case ESP_OTA_IMG_INVALID:
			return STATE_INVALID;
		case ESP_OTA_IMG_ABORTED:
			return STATE_ABORTED;
		default:
			return STATE_UNDEFINED;
	}
}

/* Eight times the slot's number, and its state. An image in `factory` has the number of a slot that nothing goes to. */
static int describe(const esp_partition_t *partition)
{
	int slot = (int)partition->subtype - (int)ESP_PARTITION_SUBTYPE_APP_OTA_MIN;

	if (slot < 0 || slot >= SLOTS)
		slot = SLOTS;
	return slot * 8 + stateOf(partition);
}

void xs_chainmote_slots_running(xsMachine *the)
{
	xsmcSetInteger(xsResult, describe(esp_ota_get_running_partition()));
}

void xs_chainmote_slots_other(xsMachine *the)
{
	const esp_partition_t *partition = esp_ota_get_next_update_partition(NULL);

	if (partition == NULL)
		xsUnknownError("no other slot");
	xsmcSetInteger(xsResult, describe(partition));
}

static int hash(const esp_partition_t *partition, uint32_t byteLength, uint8_t *digest)
{
	uint8_t buffer[READ_BYTES];
	psa_hash_operation_t operation = PSA_HASH_OPERATION_INIT;
	size_t written = 0;
	uint32_t at = 0;

	if (psa_crypto_init() != PSA_SUCCESS || psa_hash_setup(&operation, PSA_ALG_SHA_256) != PSA_SUCCESS)
		return 0;
	while (at < byteLength) {
		uint32_t count = byteLength - at < READ_BYTES ? byteLength - at : READ_BYTES;
		if (esp_partition_read(partition, at, buffer, count) != ESP_OK || psa_hash_update(&operation, buffer, count) != PSA_SUCCESS) {
			psa_hash_abort(&operation);
			return 0;
		}
		at += count;
	}
	return psa_hash_finish(&operation, digest, DIGEST_BYTES, &written) == PSA_SUCCESS && written == DIGEST_BYTES;
}

void xs_chainmote_slots_digest(xsMachine *the)
{
	const esp_partition_t *partition = esp_ota_get_next_update_partition(NULL);
	xsNumberValue byteLength = xsmcArgc > 0 ? xsmcToNumber(xsArg(0)) : 0;
	uint8_t digest[DIGEST_BYTES];

	if (partition == NULL)
		xsUnknownError("no other slot");
	if (!(byteLength >= 1 && byteLength <= (xsNumberValue)partition->size))
		xsRangeError("no length of an image");
	if (!hash(partition, (uint32_t)byteLength, digest))
		xsUnknownError("read failed");
	xsmcSetArrayBuffer(xsResult, digest, DIGEST_BYTES);
}

void xs_chainmote_slots_select(xsMachine *the)
{
	xsIntegerValue slot = xsmcArgc > 0 ? xsmcToInteger(xsArg(0)) : -1;
	const esp_partition_t *partition;
	esp_err_t error;

	if (slot < 0 || slot >= SLOTS)
		xsRangeError("no slot");
	partition = esp_partition_find_first(
		ESP_PARTITION_TYPE_APP, (esp_partition_subtype_t)(ESP_PARTITION_SUBTYPE_APP_OTA_MIN + slot), NULL);
	if (partition == NULL)
		xsUnknownError("no slot");
	error = esp_ota_set_boot_partition(partition);
	if (error == ESP_ERR_OTA_VALIDATE_FAILED)
		xsUnknownError("image invalid");
#ifdef CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK
	if (error == ESP_ERR_OTA_SMALL_SEC_VER)
		xsUnknownError("image invalid");
#endif
	if (error != ESP_OK)
		xsUnknownError("select failed");
}

void xs_chainmote_slots_valid(xsMachine *the)
{
	if (esp_ota_mark_app_valid_cancel_rollback() != ESP_OK)
		xsUnknownError("mark failed");
}

void xs_chainmote_slots_rollback(xsMachine *the)
{
	esp_err_t error = esp_ota_mark_app_invalid_rollback();

	if (error == ESP_ERR_OTA_ROLLBACK_FAILED)
		xsUnknownError("no other image");
	if (error != ESP_OK)
		xsUnknownError("mark failed");
}

void xs_chainmote_slots_version(xsMachine *the)
{
#ifdef CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK
	xsmcSetInteger(xsResult, (xsIntegerValue)esp_efuse_read_secure_version());
#else
	xsmcSetInteger(xsResult, 0);
#endif
}
