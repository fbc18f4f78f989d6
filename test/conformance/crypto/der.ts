// ECDSA-Sig-Value in strict DER (X.690 §8.3, §10.1; SEC 1 v2 §C.5). Only vectors come in this form; no chain and no record
// that chainmote reads carries it, so it is not in the firmware.

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const SCALAR_BYTES = 32;

/** r ‖ s, 64 bytes, or undefined where the bytes are not exactly one DER signature with 0 ≤ r, s < 2^256. */
export function fromDer(der: Uint8Array): Uint8Array | undefined {
  // Two integers of 33 bytes at most: every length takes the short form.
  if (der.length < 2 || der[0] !== SEQUENCE || der[1] !== der.length - 2 || der.length - 2 >= 0x80) return undefined;
  const signature = new Uint8Array(2 * SCALAR_BYTES);
  let at = 2;
  for (const end of [SCALAR_BYTES, 2 * SCALAR_BYTES]) {
    const length = der[at + 1];
    if (der[at] !== INTEGER || length === undefined || length === 0 || length >= 0x80) return undefined;
    const content = der.subarray(at + 2, at + 2 + length);
    if (content.length !== length) return undefined;
    const [first, second] = [content[0] as number, content[1]];
    if (first >= 0x80) return undefined; // negative
    if (first === 0 && second !== undefined && second < 0x80) return undefined; // longer than it must be
    const magnitude = first === 0 ? content.subarray(1) : content;
    if (magnitude.length > SCALAR_BYTES) return undefined;
    signature.set(magnitude, end - magnitude.length);
    at += 2 + length;
  }
  return at === der.length ? signature : undefined;
}
