/*
 * The native engine, keys and work on bytes as JavaScript calls them, over any arguments: firmware/crypto/native and firmware/bytes/native, the
 * bindings and what they stand on, board-esp32.c too. The engine is test/fuzz/engine; ESP-IDF's noise and its NVS are here, and now and then
 * they lie.
 *
 * What has to hold: what comes back has the length that it has to have, and a handle that is closed signs nothing.
 */
#include "natives-idf.h"

#include "board.h"
#include "k1.h"

enum { SECRETS = 2, SECRET_OCTETS = 32, LIES = 16, LIE = 15, ADDRESS_LENGTH = 20 };

static struct {
	char slot[SLOT_CHARACTERS_MAX + 1];
	uint8_t secret[SECRET_OCTETS];
} gSecrets[SECRETS];
static uint64_t gNoise;

static bool lies(void)
{
	return worldByte() % LIES == LIE;
}

static void draw(uint8_t* bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		gNoise += 0x9E3779B97F4A7C15u;
		uint64_t z = (gNoise ^ gNoise >> 30) * 0xBF58476D1CE4E5B9u;
		z = (z ^ z >> 27) * 0x94D049BB133111EBu;
		bytes[i] = (uint8_t)(z ^ z >> 31);
	}
}

/* SplitMix64: passes the health tests, but where it lies. */
void esp_fill_random(void* bytes, size_t count)
{
	draw(bytes, count);
	if (lies())
		worldBytes(bytes, count);
}

esp_err_t esp_wifi_get_inactive_time(int interface, uint16_t* seconds)
{
	demand(interface == WIFI_IF_STA, "the station");
	*seconds = 0;
	return lies() ? ESP_FAIL : ESP_OK;
}

esp_reset_reason_t esp_reset_reason(void)
{
	return ESP_RST_POWERON;
}

/* --- NVS: the namespace `keys`, a few values in it, of any type and length where it lies --- */
static int gOpen;

static esp_err_t anyError(void)
{
	static const esp_err_t errors[] = { ESP_FAIL, ESP_ERR_NVS_NOT_FOUND, ESP_ERR_NVS_INVALID_LENGTH, ESP_FAIL };
	return errors[worldByte() % 4];
}

esp_err_t nvs_open(const char* domain, int mode, nvs_handle_t* handle)
{
	demand(!strcmp(domain, "keys") && (mode == NVS_READONLY || mode == NVS_READWRITE) && gOpen == 0, "the keys' namespace, once");
	if (lies())
		return anyError();
	gOpen = 1;
	*handle = 1;
	return ESP_OK;
}

void nvs_close(nvs_handle_t handle)
{
	demand(handle == 1 && gOpen == 1, "a handle that is open");
	gOpen = 0;
}

static int secretAt(nvs_handle_t handle, const char* slot)
{
	demand(handle == 1 && gOpen == 1, "a handle that is open");
	demand(strlen(slot) >= 1 && strlen(slot) <= SLOT_CHARACTERS_MAX, "the name of a slot within its bound");
	for (int i = 0; i < SECRETS; i++)
		if (!strcmp(gSecrets[i].slot, slot))
			return i;
	return -1;
}

esp_err_t nvs_find_key(nvs_handle_t handle, const char* slot, nvs_type_t* type)
{
	int at = secretAt(handle, slot);
	if (lies()) {
		*type = (nvs_type_t)worldByte();
		return worldByte() & 1 ? ESP_OK : anyError();
	}
	*type = NVS_TYPE_BLOB;
	return at >= 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}

esp_err_t nvs_get_blob(nvs_handle_t handle, const char* slot, void* to, size_t* bytes)
{
	int at = secretAt(handle, slot);
	demand(*bytes == SECRET_OCTETS, "room for a secret");
	if (lies()) {
		size_t held = worldByte();
		bool fits = held <= *bytes;
		if (fits)
			worldBytes(to, held);
		*bytes = held;
		return fits ? ESP_OK : ESP_ERR_NVS_INVALID_LENGTH;
	}
	if (at >= 0)
		memcpy(to, gSecrets[at].secret, SECRET_OCTETS);
	return at >= 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}

esp_err_t nvs_set_blob(nvs_handle_t handle, const char* slot, const void* from, size_t bytes)
{
	int at = secretAt(handle, slot);
	demand(bytes == SECRET_OCTETS, "a secret");
	if (lies())
		return worldByte() & 1 ? ESP_OK : anyError();
	for (int i = 0; at < 0 && i < SECRETS; i++)
		if (gSecrets[i].slot[0] == 0)
			at = i;
	if (at < 0)
		return anyError();
	memcpy(gSecrets[at].slot, slot, strlen(slot) + 1);
	memcpy(gSecrets[at].secret, from, SECRET_OCTETS);
	return ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t handle)
{
	demand(handle == 1 && gOpen == 1, "a handle that is open");
	return lies() ? anyError() : ESP_OK;
}

esp_err_t nvs_erase_key(nvs_handle_t handle, const char* slot)
{
	int at = secretAt(handle, slot);
	if (at >= 0)
		memset(&gSecrets[at], 0, sizeof gSecrets[at]);
	return at >= 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}

extern uint8_t __start_rtc_noinit[], __stop_rtc_noinit[];

/* The power was off: what failed before is forgotten. */
__attribute__((no_sanitize_address)) static void powerOn(void)
{
	for (volatile uint8_t* byte = __start_rtc_noinit; byte < __stop_rtc_noinit; byte++)
		*byte = 0;
}

static void answers(txMachine* the, txUnsigned count)
{
	if (!the->thrown && the->result.kind != XS_UNDEFINED_KIND)
		demand(the->result.kind == XS_REFERENCE_KIND && the->result.value.reference->count == count, "a result of its length");
}

static void afterDigest(txMachine* the)
{
	answers(the, K1_DIGEST_BYTES);
}

static void afterPublic(txMachine* the)
{
	answers(the, K1_PUBLIC_KEY_BYTES);
}

static void afterAddress(txMachine* the)
{
	answers(the, ADDRESS_LENGTH);
}

static void afterSign(txMachine* the)
{
	answers(the, K1_SIGNATURE_BYTES);
	targetReached += the->thrown == NULL;
	demand(the->thrown || the->arguments[0].value.reference->data != NULL, "a signature of a key that is open");
}

static void afterHex(txMachine* the)
{
	if (!the->thrown)
		demand(strlen(the->result.value.string) == 2 * (size_t)the->arguments[0].value.reference->count, "two digits for each byte");
}

#define ALL(NATIVE) \
	NATIVE(xs_sha256, "bb", afterDigest) \
	NATIVE(xs_hmac_sha256, "bbb", afterDigest) \
	NATIVE(xs_keccak256, "bb", afterDigest) \
	NATIVE(xs_k1_verify, "bbb", NULL) \
	NATIVE(xs_k1_recover, "bnb", afterPublic) \
	NATIVE(xs_k1_recover_address, "bb", afterAddress) \
	NATIVE(xs_key_open, "s", NULL) \
	NATIVE(xs_key_create, "s", NULL) \
	NATIVE(xs_key_public, "h", afterPublic) \
	NATIVE(xs_key_sign, "hb", afterSign) \
	NATIVE(xs_key_close, "h", NULL) \
	NATIVE(xs_octets_equal, "bb", NULL) \
	NATIVE(xs_octets_compare, "bb", NULL) \
	NATIVE(xs_octets_are, "bn", NULL) \
	NATIVE(xs_octets_copy, "bnbnn", NULL) \
	NATIVE(xs_octets_concat, "bbb", NULL) \
	NATIVE(xs_octets_to_hex, "b", afterHex) \
	NATIVE(xs_octets_of_hex, "s", NULL) \
	NATIVE(xs_octets_of_ascii, "s", NULL) \
	NATIVE(xs_octets_to_ascii, "b", NULL) \
	NATIVE(xs_octets_read_uint, "bnn", NULL) \
	NATIVE(xs_octets_write_uint, "bnnn", NULL) \
	NATIVE(xs_octets_crc32, "bnn", NULL) \
	NATIVE(xs_octets_compare_at, "bnbn", NULL) \
	NATIVE(xs_octets_find_address, "bbn", NULL) \
	NATIVE(xs_octets_ascend, "b", NULL) \
	NATIVE(xs_rlp_pack_addresses, "bbn", NULL) \
	NATIVE(xs_rlp_next, "bnn", NULL) \
	NATIVE(xs_header_scan, "bb", NULL) \
	NATIVE(xs_header_view, "bbn", NULL) \
	NATIVE(xs_header_uint, "bbn", NULL) \
	NATIVE(xs_header_filled, "bbnn", NULL) \
	NATIVE(xs_header_equals, "bbnb", NULL) \
	NATIVE(xs_header_hex, "bbns", NULL) \
	NATIVE(xs_header_copy, "bnbbn", NULL) \
	NATIVE(xs_header_splice, "bbnb", NULL) \
	NATIVE(xs_bitcoin_take, "bbbb", NULL) \
	NATIVE(xs_bitcoin_meets, "bn", NULL)

#define DECLARED(name, takes, after) void name(txMachine* the);
ALL(DECLARED)
#define LISTED(name, takes, after) { #name, name, takes, after },
unsigned targetReached;

const Native NATIVES_HERE[] = { ALL(LISTED) };
const size_t NATIVES_HERE_COUNT = sizeof NATIVES_HERE / sizeof *NATIVES_HERE;
const bool NATIVES_HERE_COUNT_ARGUMENTS = true;

void targetBegins(void)
{
	memset(gSecrets, 0, sizeof gSecrets);
	gNoise = 1;
	powerOn();
}

void targetEnds(void)
{
	demand(gOpen == 0, "no handle is left open");
}
