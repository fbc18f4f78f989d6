/* The native functions of the firmware (firmware/crypto/native, firmware/bytes/native), by the names that its JavaScript uses. */
#ifndef NATIVES_H
#define NATIVES_H

/* Those of C that a measurement brings besides (build.ts). */
#ifndef EXTRA_NATIVES
#define EXTRA_NATIVES
#endif

#define NATIVES \
	NATIVE(xs_sha256) \
	NATIVE(xs_hmac_sha256) \
	NATIVE(xs_keccak256) \
	NATIVE(xs_k1_verify) \
	NATIVE(xs_k1_recover) \
	NATIVE(xs_k1_recover_address) \
	NATIVE(xs_key_open) \
	NATIVE(xs_key_create) \
	NATIVE(xs_key_public) \
	NATIVE(xs_key_sign) \
	NATIVE(xs_key_close) \
	NATIVE(xs_octets_equal) \
	NATIVE(xs_octets_compare) \
	NATIVE(xs_octets_are) \
	NATIVE(xs_octets_copy) \
	NATIVE(xs_octets_concat) \
	NATIVE(xs_octets_to_hex) \
	NATIVE(xs_octets_of_hex) \
	NATIVE(xs_octets_of_ascii) \
	NATIVE(xs_octets_to_ascii) \
	NATIVE(xs_octets_read_uint) \
	NATIVE(xs_octets_write_uint) \
	NATIVE(xs_octets_crc32) \
	NATIVE(xs_octets_compare_at) \
	NATIVE(xs_octets_find_address) \
	NATIVE(xs_octets_ascend) \
	NATIVE(xs_rlp_pack_addresses) \
	NATIVE(xs_rlp_next) \
	NATIVE(xs_header_scan) \
	NATIVE(xs_header_view) \
	NATIVE(xs_header_uint) \
	NATIVE(xs_header_filled) \
	NATIVE(xs_header_equals) \
	NATIVE(xs_header_hex) \
	NATIVE(xs_header_copy) \
	NATIVE(xs_header_splice) \
	NATIVE(xs_bitcoin_take) \
	NATIVE(xs_bitcoin_meets) \
	EXTRA_NATIVES

#define NATIVE(name) void name(txMachine* the);
NATIVES
#undef NATIVE

#endif
