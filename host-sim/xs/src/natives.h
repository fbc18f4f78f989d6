/* The native functions of the firmware (firmware/crypto/native), by the names that its JavaScript uses. */
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
	NATIVE(xs_key_open) \
	NATIVE(xs_key_create) \
	NATIVE(xs_key_public) \
	NATIVE(xs_key_sign) \
	NATIVE(xs_key_close) \
	EXTRA_NATIVES

#define NATIVE(name) void name(txMachine* the);
NATIVES
#undef NATIVE

#endif
