# Walks an OpenTimestamps proof with the reference library (pip: opentimestamps). Argument: the file. Says the file's digest, and for each
# attestation of a Bitcoin block its height and the Merkle root that the operations lead to.
import sys
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation
from opentimestamps.core.serialize import StreamDeserializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile

with open(sys.argv[1], "rb") as file:
    context = StreamDeserializationContext(file)
    detached = DetachedTimestampFile.deserialize(context)
    context.assert_eof()
print(detached.file_digest.hex())
for message, attestation in detached.timestamp.all_attestations():
    assert isinstance(attestation, BitcoinBlockHeaderAttestation)
    print(attestation.height, message.hex())
