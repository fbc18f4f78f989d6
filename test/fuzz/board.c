/*
 * The modules of a board over any arguments and any answers of ESP-IDF: serial-link.c, slots.c, entropy.c, chip.c (firmware/board/native). The
 * engine is test/fuzz/engine, ESP-IDF is here; what a device says comes from the end of the input.
 *
 * What has to hold: nothing waits; no more is read than was asked for, and all of it is handed on; a message goes out whole or not at all; no
 * byte beside an image's own length is hashed, none of it twice.
 */
#include "board-idf.h"
#include "chip-board.h"
#include "../../firmware/crypto/native/board.h"

enum { NATIVE_READ_MAX = 256, NATIVE_WRITE_MAX = 128, PARTITION_BYTES = 4096, DIGEST_OCTETS = 32, STATES = 6, SLOTS_THERE = 2 };

/* --- the chip's USB port --- */
static bool gInstalled;
static uint8_t gGiven[NATIVE_READ_MAX], gSent[NATIVE_WRITE_MAX];
static int gGivenCount, gSentCount;
static size_t gTaken;

bool usb_serial_jtag_is_driver_installed(void)
{
	return gInstalled;
}

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t* config)
{
	demand(!gInstalled && config->tx_buffer_size > NATIVE_WRITE_MAX && config->rx_buffer_size > 0, "a driver that is installed once");
	gInstalled = worldByte() % 4 != 1;
	return gInstalled ? ESP_OK : ESP_FAIL;
}

esp_err_t usb_serial_jtag_driver_uninstall(void)
{
	demand(gInstalled, "a driver that was installed");
	gInstalled = false;
	return ESP_OK;
}

void usb_serial_jtag_vfs_use_driver(void)
{
	demand(gInstalled, "a log through a driver that is there");
}

void usb_serial_jtag_vfs_use_nonblocking(void)
{
	demand(gInstalled, "a log that leaves the driver before it goes");
}

int usb_serial_jtag_read_bytes(void* to, uint32_t bytes, uint32_t ticks)
{
	demand(gInstalled && ticks == 0 && bytes > 0 && bytes <= NATIVE_READ_MAX, "a read that does not wait, within its bound");
	gGivenCount = worldByte() % 8 == 7 ? -1 : (int)(worldByte() % (bytes + 1));
	if (gGivenCount > 0) {
		worldBytes(gGiven, (size_t)gGivenCount);
		memcpy(to, gGiven, (size_t)gGivenCount);
	}
	return gGivenCount;
}

int usb_serial_jtag_write_bytes(const void* from, size_t bytes, uint32_t ticks)
{
	demand(gInstalled && ticks == 0 && bytes <= NATIVE_WRITE_MAX, "a write that does not wait, within its bound");
	memcpy(gSent, from, bytes);
	gSentCount = (int)bytes;
	gTaken = worldByte() % 4 == 3 ? 0 : bytes;
	return (int)gTaken;
}

/* --- ESP-IDF's slots --- */
static esp_partition_t gSlots[SLOTS_THERE] = { { PARTITION_BYTES, ESP_PARTITION_SUBTYPE_APP_OTA_MIN }, { PARTITION_BYTES, ESP_PARTITION_SUBTYPE_APP_OTA_MIN + 1 } };
static size_t gHashed;
static bool gHashing;
static const esp_partition_t* gHashedOf;

static esp_err_t anyError(void)
{
	static const esp_err_t errors[] = { ESP_OK, ESP_OK, ESP_FAIL, ESP_ERR_OTA_VALIDATE_FAILED, ESP_ERR_OTA_ROLLBACK_FAILED, ESP_ERR_OTA_SMALL_SEC_VER };
	return errors[worldByte() % 6];
}

static const esp_partition_t* anySlot(void)
{
	uint8_t which = worldByte();
	gSlots[which & 1].subtype = ESP_PARTITION_SUBTYPE_APP_OTA_MIN + (which & 4 ? (int)worldByte() - 128 : which & 1);
	return &gSlots[which & 1];
}

const esp_partition_t* esp_ota_get_running_partition(void)
{
	return anySlot();
}

const esp_partition_t* esp_ota_get_next_update_partition(const esp_partition_t* from)
{
	demand(from == NULL, "the slot after the one that runs");
	return worldByte() % 8 == 7 ? NULL : anySlot();
}

esp_err_t esp_ota_get_state_partition(const esp_partition_t* partition, esp_ota_img_states_t* state)
{
	demand(partition != NULL, "a slot");
	esp_err_t error = anyError();
	if (error == ESP_OK)
		*state = (esp_ota_img_states_t)(worldByte() % 4 == 3 ? worldByte() : worldByte() % STATES);
	return error;
}

const esp_partition_t* esp_partition_find_first(int type, esp_partition_subtype_t subtype, const char* label)
{
	demand(type == ESP_PARTITION_TYPE_APP && label == NULL, "a slot by its number");
	int slot = (int)subtype - ESP_PARTITION_SUBTYPE_APP_OTA_MIN;
	demand(slot >= 0 && slot < SLOTS_THERE, "a slot that there is");
	return worldByte() % 8 == 7 ? NULL : &gSlots[slot];
}

esp_err_t esp_partition_read(const esp_partition_t* partition, size_t at, void* to, size_t bytes)
{
	demand(at <= partition->size && bytes <= partition->size - at, "a read inside of the partition");
	demand(at == gHashed && (gHashedOf == NULL || gHashedOf == partition), "an image read from its beginning, byte after byte");
	gHashedOf = partition;
	memset(to, (int)worldByte(), bytes);
	return worldByte() % 16 == 15 ? ESP_FAIL : ESP_OK;
}

esp_err_t esp_ota_set_boot_partition(const esp_partition_t* partition)
{
	demand(partition != NULL, "a slot");
	return anyError();
}

esp_err_t esp_ota_mark_app_valid_cancel_rollback(void)
{
	return anyError();
}

esp_err_t esp_ota_mark_app_invalid_rollback(void)
{
	return anyError();
}

uint32_t esp_efuse_read_secure_version(void)
{
	return worldByte();
}

psa_status_t psa_crypto_init(void)
{
	return worldByte() % 16 == 15 ? -1 : PSA_SUCCESS;
}

psa_status_t psa_hash_setup(psa_hash_operation_t* operation, int algorithm)
{
	demand(*operation == 0 && !gHashing && algorithm == PSA_ALG_SHA_256, "a hash that begins");
	if (worldByte() % 16 == 15)
		return -1;
	gHashing = true;
	gHashed = 0;
	gHashedOf = NULL;
	return PSA_SUCCESS;
}

psa_status_t psa_hash_update(psa_hash_operation_t* operation, const uint8_t* bytes, size_t count)
{
	(void)operation;
	demand(gHashing && count > 0 && bytes[0] == bytes[count - 1], "what was read");
	gHashed += count;
	return worldByte() % 16 == 15 ? -1 : PSA_SUCCESS;
}

psa_status_t psa_hash_abort(psa_hash_operation_t* operation)
{
	(void)operation;
	demand(gHashing, "a hash that was begun");
	gHashing = false;
	return PSA_SUCCESS;
}

psa_status_t psa_hash_finish(psa_hash_operation_t* operation, uint8_t* digest, size_t room, size_t* written)
{
	(void)operation;
	demand(gHashing && room == DIGEST_OCTETS, "a hash that was begun");
	gHashing = false;
	*written = worldByte() % 16 == 15 ? 0 : DIGEST_OCTETS;
	memset(digest, 0x5a, DIGEST_OCTETS);
	return worldByte() % 16 == 15 ? -1 : PSA_SUCCESS;
}

/* --- what entropy.c and chip.c stand on --- */
bool boardNoise(uint8_t* bytes, size_t count)
{
	if (worldByte() % 4 == 3)
		return false;
	worldBytes(bytes, count);
	return true;
}

bool boardNoiseFailed(void)
{
	return worldByte() & 1;
}

void boardNoiseFails(void)
{
}

const char* chipResetReason(void)
{
	return "power-on";
}

void chipMac(uint8_t mac[MAC_BYTES])
{
	worldBytes(mac, MAC_BYTES);
}

int chipSecurity(void)
{
	return worldByte();
}

const char* chipProfile(void)
{
	return "dev";
}

const char* chipStorageFault(void)
{
	return worldByte() & 1 ? NULL : "nvs-corrupt";
}

int chipMemory(int which)
{
	(void)which;
	return worldByte();
}

void chipRestart(void)
{
}

/* --- what has to hold after a call --- */
static void afterRead(txMachine* the)
{
	void* bytes;
	txUnsigned count;
	if (the->result.kind == XS_UNDEFINED_KIND) {
		demand(the->thrown || gGivenCount <= 0, "nothing is swallowed");
		gGivenCount = 0;
		return;
	}
	_xsmcGetBuffer(the, &the->result, &bytes, &count, false);
	demand((int)count == gGivenCount && !memcmp(bytes, gGiven, count), "what came in is handed on");
	targetReached++;
	gGivenCount = 0;
}

static void afterWrite(txMachine* the)
{
	void* bytes;
	txUnsigned count;
	if (the->thrown)
		return;
	_xsmcGetBuffer(the, &the->arguments[0], &bytes, &count, false);
	bool whole = gInstalled && (int)count == gSentCount && gTaken == count;
	demand(the->result.kind == XS_BOOLEAN_KIND && the->result.value.boolean == (whole || (count == 0 && !gInstalled)), "whole or not at all");
	demand(!gInstalled || !memcmp(bytes, gSent, count), "as it was given");
}

static void afterDigest(txMachine* the)
{
	demand(!gHashing, "no hash is left open");
	if (the->thrown)
		return;
	demand(the->result.kind == XS_REFERENCE_KIND && the->result.value.reference->count == DIGEST_OCTETS, "a digest");
	targetReached++;
	demand((double)gHashed == floor(fxToNumber(the, &the->arguments[0])), "of just the image");
}

#define NATIVE(name) void name(txMachine* the);
NATIVE(xs_chainmote_serial_open) NATIVE(xs_chainmote_serial_close) NATIVE(xs_chainmote_serial_read) NATIVE(xs_chainmote_serial_write)
NATIVE(xs_chainmote_slots_running) NATIVE(xs_chainmote_slots_other) NATIVE(xs_chainmote_slots_digest) NATIVE(xs_chainmote_slots_select)
NATIVE(xs_chainmote_slots_valid) NATIVE(xs_chainmote_slots_rollback) NATIVE(xs_chainmote_slots_version)
NATIVE(xs_chainmote_entropy_read) NATIVE(xs_chainmote_entropy_failed) NATIVE(xs_chainmote_entropy_fail)
NATIVE(xs_chainmote_chip_reason) NATIVE(xs_chainmote_chip_mac) NATIVE(xs_chainmote_chip_security) NATIVE(xs_chainmote_chip_profile)
NATIVE(xs_chainmote_chip_storage) NATIVE(xs_chainmote_chip_memory) NATIVE(xs_chainmote_chip_restart)

unsigned targetReached;

const Native NATIVES_HERE[] = {
	{ "open", xs_chainmote_serial_open, "", NULL },
	{ "close", xs_chainmote_serial_close, "", NULL },
	{ "read", xs_chainmote_serial_read, "i", afterRead },
	{ "write", xs_chainmote_serial_write, "b", afterWrite },
	{ "running", xs_chainmote_slots_running, "", NULL },
	{ "other", xs_chainmote_slots_other, "", NULL },
	{ "digest", xs_chainmote_slots_digest, "n", afterDigest },
	{ "select", xs_chainmote_slots_select, "i", NULL },
	{ "valid", xs_chainmote_slots_valid, "", NULL },
	{ "rollback", xs_chainmote_slots_rollback, "", NULL },
	{ "version", xs_chainmote_slots_version, "", NULL },
	{ "noise", xs_chainmote_entropy_read, "b", NULL },
	{ "noiseFailed", xs_chainmote_entropy_failed, "", NULL },
	{ "noiseFails", xs_chainmote_entropy_fail, "", NULL },
	{ "reason", xs_chainmote_chip_reason, "", NULL },
	{ "mac", xs_chainmote_chip_mac, "", NULL },
	{ "security", xs_chainmote_chip_security, "", NULL },
	{ "profile", xs_chainmote_chip_profile, "", NULL },
	{ "storage", xs_chainmote_chip_storage, "", NULL },
	{ "memory", xs_chainmote_chip_memory, "i", NULL },
	{ "restart", xs_chainmote_chip_restart, "", NULL },
};
const size_t NATIVES_HERE_COUNT = sizeof NATIVES_HERE / sizeof *NATIVES_HERE;
const bool NATIVES_HERE_COUNT_ARGUMENTS = true;

void targetBegins(void)
{
	gInstalled = gHashing = false;
	gGivenCount = gSentCount = 0;
}

void targetEnds(void)
{
}
