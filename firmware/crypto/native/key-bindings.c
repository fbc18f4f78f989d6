/*
 * The C side of native-keys.ts: private keys behind handles.
 *
 * Promises: a secret lives in C memory, behind an object that JavaScript can only pass on; it is drawn, kept, read back,
 * used and wiped here, and no function answers it. A handle's data is a pointer to memory of C, not a chunk of the XS
 * heap, where the collector would move it and leave copies behind. The pointer is handed to the handle at once, so that
 * whatever throws later, the collector's call of the destructor wipes it.
 * Never: replaces a key, signs with a closed one, or lets one out of memory unwiped.
 */
#include "xsmc.h"
#include "board.h"
#include "k1.h"
#include "noise-health.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
	uint8_t secret[K1_SECRET_BYTES];
	uint8_t publicKey[K1_PUBLIC_KEY_BYTES];
	bool hasPublicKey;
} Key;

/* Also called where there is no key: after a close, or where a handle never got one. */
void xs_key_destructor(void* data)
{
	if (data) {
		wipe(data, sizeof(Key));
		free(data);
	}
}

/* An empty key behind a new handle, which is the function's result. */
static Key* newKey(xsMachine* the)
{
	xsResult = xsNewHostObject(xs_key_destructor);
	Key* key = calloc(1, sizeof(Key));
	if (!key)
		xsUnknownError("no memory for a key");
	xsmcSetHostData(xsResult, key);
	return key;
}

static Key* keyOf(xsMachine* the)
{
	if (xsmcArgc < 1)
		xsTypeError("a key handle");
	Key* key = xsmcGetHostDataValidate(xsArg(0), (void*)xs_key_destructor);
	if (!key)
		xsUnknownError("this key handle is closed");
	return key;
}

static void slotOf(xsMachine* the, char slot[SLOT_CHARACTERS_MAX + 1])
{
	if (xsmcArgc < 1 || xsmcTypeOf(xsArg(0)) != xsStringType)
		xsTypeError("the name of a slot");
	const char* name = xsmcToString(xsArg(0));
	size_t length = strlen(name);
	if (length < 1 || length > SLOT_CHARACTERS_MAX)
		xsRangeError("a slot of 1 to 15 characters");
	memcpy(slot, name, length + 1);
}

static void answerBytes(xsMachine* the, const uint8_t* bytes, int count)
{
	xsmcVars(1);
	xsmcSetArrayBuffer(xsVar(0), (void*)bytes, count);
	xsmcNew(xsResult, xsGlobal, xsID("Uint8Array"), &xsVar(0), NULL);
}

/* Blinding of the comb wants a secret that differs from start to start, not a perfect one; so the key itself goes into
 * the seed, besides what noise there is. Once a start. */
static void blindOnce(const Key* key)
{
	static bool blinded;
	K1Sha256 hash;
	uint8_t noise[K1_SECRET_BYTES] = { 0 }, seed[K1_DIGEST_BYTES];
	if (blinded)
		return;
	boardNoise(noise, sizeof(noise));
	k1Sha256Start(&hash);
	k1Sha256Write(&hash, key->secret, sizeof(key->secret));
	k1Sha256Write(&hash, noise, sizeof(noise));
	k1Sha256End(&hash, seed);
	k1Blind(seed);
	wipe(&hash, sizeof(hash));
	wipe(seed, sizeof(seed));
	wipe(noise, sizeof(noise));
	blinded = true;
}

/* False where the slot is empty; throws where it holds anything but a key. */
static bool load(xsMachine* the, const char* slot, Key* key)
{
	SlotState state = boardReadSecret(slot, key->secret);
	if (state == SLOT_HAS_SECRET && k1IsSecret(key->secret))
		return true;
	wipe(key->secret, sizeof(key->secret));
	if (state != SLOT_EMPTY)
		xsUnknownError("the key slot %s holds something else than a key", slot);
	return false;
}

/* keyOpen(slot): a handle, or undefined where the slot is empty. */
void xs_key_open(xsMachine* the)
{
	char slot[SLOT_CHARACTERS_MAX + 1];
	slotOf(the, slot);
	Key* key = newKey(the);
	if (load(the, slot, key))
		blindOnce(key);
	else
		xsmcSetUndefined(xsResult);
}

static const char* draw(Key* key)
{
	NoiseHealth health;
	const char* failure = noiseStartUp(&health);
	if (!failure)
		failure = noiseRead(&health, key->secret, sizeof(key->secret));
	wipe(&health, sizeof(health));
	if (!failure && !k1IsSecret(key->secret))
		failure = "key-out-of-range";
	return failure;
}

/* A key counts once the store gives it back. */
static const char* keep(const char* slot, const Key* key)
{
	uint8_t stored[K1_SECRET_BYTES];
	bool written = boardWriteSecret(slot, key->secret);
	bool kept = written && boardReadSecret(slot, stored) == SLOT_HAS_SECRET && !memcmp(stored, key->secret, sizeof(stored));
	wipe(stored, sizeof(stored));
	if (written && !kept)
		boardDeleteSecret(slot); /* nothing was signed with it yet */
	return kept ? NULL : "key-not-stored";
}

/* keyCreate(slot): a handle, or the code of a refusal as a string. */
void xs_key_create(xsMachine* the)
{
	char slot[SLOT_CHARACTERS_MAX + 1];
	slotOf(the, slot);
	Key* key = newKey(the);
	const char* refusal = load(the, slot, key) ? "key-slot-taken" : NULL;
	wipe(key->secret, sizeof(key->secret));
	if (!refusal)
		refusal = draw(key);
	if (!refusal)
		refusal = keep(slot, key);
	if (!refusal) {
		blindOnce(key);
		return;
	}
	wipe(key->secret, sizeof(key->secret));
	xsmcSetString(xsResult, (char*)refusal);
}

/* keyPublic(handle): 65 bytes. */
void xs_key_public(xsMachine* the)
{
	uint8_t publicKey[K1_PUBLIC_KEY_BYTES];
	Key* key = keyOf(the);
	if (!key->hasPublicKey)
		k1PublicKey(key->publicKey, key->secret);
	key->hasPublicKey = true;
	memcpy(publicKey, key->publicKey, sizeof(publicKey));
	answerBytes(the, publicKey, sizeof(publicKey));
}

/* keySign(handle, digest): 64 bytes. */
void xs_key_sign(xsMachine* the)
{
	uint8_t signature[K1_SIGNATURE_BYTES];
	void* digest;
	xsUnsignedValue count;
	Key* key = keyOf(the);
	if (xsmcArgc < 2)
		xsTypeError("a digest");
	xsmcGetBufferReadable(xsArg(1), &digest, &count);
	if (count != K1_DIGEST_BYTES)
		xsRangeError("a digest of 32 bytes");
	if (!k1Sign(signature, digest, key->secret))
		xsUnknownError("no signature");
	answerBytes(the, signature, sizeof(signature));
}

/* keyClose(handle): wipes; the handle is of no use afterwards. */
void xs_key_close(xsMachine* the)
{
	if (xsmcArgc < 1)
		xsTypeError("a key handle");
	void* data = xsmcGetHostDataValidate(xsArg(0), (void*)xs_key_destructor);
	xsmcSetHostData(xsArg(0), NULL);
	xs_key_destructor(data);
}
