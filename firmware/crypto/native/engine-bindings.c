/*
 * The C side of engine-native.ts: hashes, verification and recovery, as functions of JavaScript.
 *
 * Every argument is a Uint8Array or an ArrayBuffer, and every result a new Uint8Array. A result is copied to the C stack
 * before anything is allocated, for an allocation may collect, and collecting moves buffers. Written against the C
 * interface that the SDK's XS and XS 13.3 share (xsmc.h).
 */
#include "xsmc.h"
#include "k1.h"

static const uint8_t* bytesOf(xsMachine* the, int index, size_t* count)
{
	void* data;
	xsUnsignedValue bytes;
	xsmcGetBufferReadable(xsArg(index), &data, &bytes);
	*count = bytes;
	return data;
}

/* The argument's bytes where it is there, is an object and has `wanted` of them; else NULL. */
static const uint8_t* exactly(xsMachine* the, int index, size_t wanted)
{
	size_t count;
	if (index >= xsmcArgc || xsmcTypeOf(xsArg(index)) != xsReferenceType)
		return NULL;
	const uint8_t* bytes = bytesOf(the, index, &count);
	return count == wanted ? bytes : NULL;
}

static void answer(xsMachine* the, const uint8_t* bytes, int count)
{
	xsmcVars(1);
	xsmcSetArrayBuffer(xsVar(0), (void*)bytes, count);
	xsmcNew(xsResult, xsGlobal, xsID("Uint8Array"), &xsVar(0), NULL);
}

/* sha256(...parts) */
void xs_sha256(xsMachine* the)
{
	K1Sha256 hash;
	uint8_t digest[K1_DIGEST_BYTES];
	int argc = xsmcArgc;
	k1Sha256Start(&hash);
	for (int i = 0; i < argc; i++) {
		size_t count;
		const uint8_t* bytes = bytesOf(the, i, &count);
		k1Sha256Write(&hash, bytes, count);
	}
	k1Sha256End(&hash, digest);
	answer(the, digest, sizeof(digest));
}

/* hmacSha256(key, ...parts) */
void xs_hmac_sha256(xsMachine* the)
{
	K1HmacSha256 hash;
	uint8_t digest[K1_DIGEST_BYTES];
	size_t count;
	int argc = xsmcArgc;
	if (argc < 1)
		xsTypeError("a key, and what to authenticate");
	const uint8_t* key = bytesOf(the, 0, &count);
	k1HmacSha256Start(&hash, key, count);
	for (int i = 1; i < argc; i++) {
		const uint8_t* bytes = bytesOf(the, i, &count);
		k1HmacSha256Write(&hash, bytes, count);
	}
	k1HmacSha256End(&hash, digest);
	wipe(&hash, sizeof(hash));
	answer(the, digest, sizeof(digest));
}

/* keccak256(...parts) */
void xs_keccak256(xsMachine* the)
{
	Keccak256 hash;
	uint8_t digest[K1_DIGEST_BYTES];
	int argc = xsmcArgc;
	keccak256Start(&hash);
	for (int i = 0; i < argc; i++) {
		size_t count;
		const uint8_t* bytes = bytesOf(the, i, &count);
		keccak256Write(&hash, bytes, count);
	}
	keccak256End(&hash, digest);
	answer(the, digest, sizeof(digest));
}

/* verify(signature, digest, publicKey, highS): boolean */
void xs_k1_verify(xsMachine* the)
{
	bool highS = xsmcArgc > 3 && xsmcTypeOf(xsArg(3)) == xsBooleanType && xsmcToBoolean(xsArg(3));
	const uint8_t* signature = exactly(the, 0, K1_SIGNATURE_BYTES);
	const uint8_t* digest = exactly(the, 1, K1_DIGEST_BYTES);
	bool valid = false;
	if (signature && digest && xsmcArgc > 2 && xsmcTypeOf(xsArg(2)) == xsReferenceType) {
		size_t count;
		const uint8_t* key = bytesOf(the, 2, &count);
		valid = k1Verify(signature, digest, key, count, highS);
	}
	xsmcSetBoolean(xsResult, valid);
}

/* recoverAddress(seal, digest): Uint8Array | undefined. The last 20 bytes of Keccak-256 over x || y of the recovered key. */
void xs_k1_recover_address(xsMachine* the)
{
	enum { SEAL_BYTES = K1_SIGNATURE_BYTES + 1, ADDRESS_BYTES = 20 };
	Keccak256 hash;
	uint8_t publicKey[K1_PUBLIC_KEY_BYTES];
	uint8_t digest[K1_DIGEST_BYTES];
	const uint8_t* seal = exactly(the, 0, SEAL_BYTES);
	const uint8_t* message = exactly(the, 1, K1_DIGEST_BYTES);
	if (!seal || !message || !k1Recover(publicKey, seal, seal[K1_SIGNATURE_BYTES], message))
		return;
	keccak256Start(&hash);
	keccak256Write(&hash, publicKey + 1, sizeof(publicKey) - 1);
	keccak256End(&hash, digest);
	answer(the, digest + K1_DIGEST_BYTES - ADDRESS_BYTES, ADDRESS_BYTES);
}

/* recover(signature, recovery, digest): Uint8Array | undefined */
void xs_k1_recover(xsMachine* the)
{
	uint8_t publicKey[K1_PUBLIC_KEY_BYTES];
	const uint8_t* signature = exactly(the, 0, K1_SIGNATURE_BYTES);
	const uint8_t* digest = exactly(the, 2, K1_DIGEST_BYTES);
	if (!signature || !digest)
		return;
	/* The engine has two kinds of numbers, and which one a 0 is depends on where it comes from. */
	int type = xsmcTypeOf(xsArg(1));
	if (type != xsIntegerType && type != xsNumberType)
		return;
	xsNumberValue recovery = xsmcToNumber(xsArg(1));
	if (recovery != 0 && recovery != 1)
		return;
	if (k1Recover(publicKey, signature, recovery == 1, digest))
		answer(the, publicKey, sizeof(publicKey));
}
