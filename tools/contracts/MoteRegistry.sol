// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignedMessage} from "./SignedMessage.sol";

/// One fleet of motes: who belongs to it, what each may do, who commands it, and which key has contradicted itself (docs/ledger.md).
///
/// Promises: nobody enrols a key that he has not; a signed message is good for one registry on one chain, once, and until its expiry;
/// whoever brings it, the outcome is what its signers named. A key that was revoked, quarantined or rotated away never becomes active again.
/// Anyone may report two records of one key that no honest mote makes; what is no such pair reverts with a named error.
/// Never: moves value, calls another contract, or lets the admin quarantine or un-quarantine a key.
contract MoteRegistry {
    using SignedMessage for SignedMessage.Parts;

    /// The status of a mote's key.
    uint8 public constant ABSENT = 0;
    uint8 public constant ACTIVE = 1;
    /// Taken out for a time; comes back by a new enrolment.
    uint8 public constant SUSPENDED = 2;
    /// Its successor is active.
    uint8 public constant ROTATED = 3;
    uint8 public constant REVOKED = 4;
    uint8 public constant QUARANTINED = 5;

    /// Types of payload (docs/record-format.md).
    uint256 private constant TYPE_RECORD = 1;
    uint256 private constant TYPE_ENROLMENT = 4;
    uint256 private constant TYPE_VOUCHER = 5;
    uint256 private constant TYPE_ROTATION = 6;
    uint256 private constant TYPE_ANSWER = 8;
    uint256 private constant TYPE_STATUS = 9;
    /// Keys that are in every payload of the records' number space: type, seq, prev, boot, time, timeQuality, fleet, stream.
    uint256 private constant KEYS_ALWAYS = 0x63f;
    /// Those of a record: with measurements always, head and gap where they are.
    uint256 private constant KEYS_RECORD = 0x6bf;
    uint256 private constant KEYS_RECORD_ALL = 0x7ff;
    uint256 private constant KEY_HEAD = 0x40;
    /// Of a CAIP-2 text.
    uint256 private constant CHAIN_BYTES_MAX = 41;

    /// Keys that follow one another by rotation, at most: evidence against the first of them reaches all.
    uint8 public constant ROTATIONS_MAX = 32;
    /// Blocks between the recovery key's nomination of an admin and the nominee's acceptance.
    uint48 public constant RECOVERY_DELAY_BLOCKS = 5760;

    /// One slot of 32 bytes.
    struct Mote {
        uint8 status;
        uint8 role;
        uint64 policyId;
        uint64 firmwareId;
        /// Block at which the status became what it is.
        uint48 sinceBlock;
        /// The highest counter of an enrolment or a rotation that was taken.
        uint64 counter;
    }

    /// One slot of 32 bytes.
    struct Mandate {
        /// 1 while given, 2 after it was taken back.
        uint8 status;
        uint48 sinceBlock;
        /// The last block at which it holds.
        uint48 expiryBlock;
    }

    /// One slot of 32 bytes.
    struct Successor {
        address key;
        /// 1 by rotation, the same board: evidence reaches it. 2 by replacement after revocation or quarantine: it does not.
        uint8 kind;
        /// Rotations before this one.
        uint8 rotations;
    }

    /// Of a record.
    struct Numbers {
        uint256 stream;
        uint256 seq;
        uint256 boot;
        uint256 time;
        uint256 quality;
    }

    uint8 private constant MANDATE_GIVEN = 1;
    uint8 private constant MANDATE_TAKEN = 2;
    uint8 private constant BY_ROTATION = 1;
    uint8 private constant BY_REPLACEMENT = 2;

    // The slots of these are what motes prove; test/contracts/build.test.ts holds docs/ledger.md to them.
    address public admin;
    address public pendingAdmin;
    address public recovery;
    mapping(address => Mote) public motes;
    mapping(address => Mandate) public commanders;
    mapping(address => Mandate) public enrollers;
    mapping(uint64 => bytes32) public policies;
    mapping(uint64 => bytes32) public firmware;
    mapping(address => Successor) public successors;
    /// Rotations that led to a key.
    mapping(address => uint8) public rotations;
    /// The first block at which `pendingAdmin` may accept.
    uint48 public acceptableFromBlock;

    event AdminNominated(address indexed nominee, uint48 acceptableFromBlock);
    event AdminChanged(address indexed admin);
    event RecoveryChanged(address indexed recovery);
    event EnrollerChanged(address indexed enroller, uint8 status, uint48 expiryBlock);
    event CommanderChanged(address indexed commander, uint8 status, uint48 expiryBlock);
    event PolicyAdded(uint64 indexed id, bytes32 hash);
    event FirmwareAdded(uint64 indexed id, bytes32 hash);
    event MoteChanged(address indexed mote, uint8 status, uint8 role, uint64 policyId, uint64 firmwareId);
    event SuccessorNamed(address indexed mote, address indexed successor, uint8 kind);
    event Equivocation(address indexed mote, bytes32 digestA, bytes32 digestB, address indexed reporter);

    error NotAdmin();
    error NotPendingAdmin();
    error NotRecovery();
    error TooEarly(uint48 acceptableFromBlock);
    error RecoveryPending();
    error ZeroAddress();
    error ExpiryPast();
    error NotGiven();
    error NotEnroller(address enroller);
    error WrongEnroller(address named);
    error UnknownPolicy(uint64 id);
    error UnknownFirmware(uint64 id);
    error IdTaken(uint64 id);
    error ZeroHash();
    error Expired(uint256 expiryBlock);
    error CounterUsed(uint256 stored);
    error OtherMote();
    error OtherCounter();
    error WrongStatus(uint8 status);
    error KeyKnown(uint8 status);
    error AlreadySucceeded();
    error RotationsExhausted();
    error UnknownMote();
    error AlreadyQuarantined();
    error DifferentMotes();
    error NoContradiction();

    modifier onlyAdmin() {
        if (msg.sender != admin) revert NotAdmin();
        _;
    }

    /// @param firstAdmin an account or a contract
    /// @param firstRecovery may name a new admin, after a delay; 0 for none, for ever
    constructor(address firstAdmin, address firstRecovery) {
        if (firstAdmin == address(0)) revert ZeroAddress();
        admin = firstAdmin;
        recovery = firstRecovery;
        emit AdminChanged(firstAdmin);
        emit RecoveryChanged(firstRecovery);
    }

    // Who governs

    /// Names the next admin, who has to accept; 0 takes it back. Not while the recovery key's nominee waits.
    function handOver(address nominee) external onlyAdmin {
        if (acceptableFromBlock != 0) revert RecoveryPending();
        pendingAdmin = nominee;
        emit AdminNominated(nominee, 0);
    }

    /// The recovery key names the next admin, who may accept after `RECOVERY_DELAY_BLOCKS`; 0 takes it back.
    function recoverAdmin(address nominee) external {
        if (msg.sender != recovery) revert NotRecovery();
        pendingAdmin = nominee;
        acceptableFromBlock = nominee == address(0) ? 0 : uint48(block.number) + RECOVERY_DELAY_BLOCKS;
        emit AdminNominated(nominee, acceptableFromBlock);
    }

    function acceptAdmin() external {
        if (msg.sender != pendingAdmin) revert NotPendingAdmin();
        if (block.number < acceptableFromBlock) revert TooEarly(acceptableFromBlock);
        admin = msg.sender;
        pendingAdmin = address(0);
        acceptableFromBlock = 0;
        emit AdminChanged(msg.sender);
    }

    /// The recovery key hands on to another; the admin cannot.
    function changeRecovery(address next) external {
        if (msg.sender != recovery) revert NotRecovery();
        recovery = next;
        emit RecoveryChanged(next);
    }

    /// @param expiryBlock the last block at which it may enrol
    function setEnroller(address enroller, uint48 expiryBlock) external onlyAdmin {
        give(enrollers[enroller], enroller, expiryBlock);
        emit EnrollerChanged(enroller, MANDATE_GIVEN, expiryBlock);
    }

    function removeEnroller(address enroller) external onlyAdmin {
        takeBack(enrollers[enroller]);
        emit EnrollerChanged(enroller, MANDATE_TAKEN, 0);
    }

    /// @param expiryBlock the last block at which motes take its commands
    function setCommander(address commander, uint48 expiryBlock) external onlyAdmin {
        give(commanders[commander], commander, expiryBlock);
        emit CommanderChanged(commander, MANDATE_GIVEN, expiryBlock);
    }

    function removeCommander(address commander) external onlyAdmin {
        takeBack(commanders[commander]);
        emit CommanderChanged(commander, MANDATE_TAKEN, 0);
    }

    /// A number names one policy for ever.
    function addPolicy(uint64 id, bytes32 hash) external onlyAdmin {
        addHash(policies, id, hash);
        emit PolicyAdded(id, hash);
    }

    function addFirmware(uint64 id, bytes32 hash) external onlyAdmin {
        addHash(firmware, id, hash);
        emit FirmwareAdded(id, hash);
    }

    // Motes

    /// An enroller brings in the mote that signed `enrolment`, which names him.
    /// @param policyId 0 for none
    /// @param firmwareId 0 for none
    function enrol(bytes calldata enrolment, uint8 role, uint64 policyId, uint64 firmwareId) external {
        (address mote, address enroller, uint64 counter) = readEnrolment(enrolment);
        if (enroller != msg.sender) revert WrongEnroller(enroller);
        checkEnroller(enroller);
        admit(mote, counter, role, policyId, firmwareId);
    }

    /// A mote enrols itself, with the voucher of the enroller whom its enrolment names. Whoever sends it, the outcome is the same.
    function enrolWithVoucher(bytes calldata enrolment, bytes calldata voucher) external {
        (address mote, address enroller, uint64 counter) = readEnrolment(enrolment);
        SignedMessage.Parts memory parts = SignedMessage.open(voucher);
        readPreamble(parts, TYPE_VOUCHER, 8, counter);
        if (parts.signer != enroller) revert WrongEnroller(enroller);
        if (parts.readAddress(3) != mote) revert OtherMote();
        uint8 role = uint8(within(parts.readUint(4), type(uint8).max, parts));
        checkExpiry(parts.readUint(5));
        uint64 policyId = uint64(parts.readUint(6));
        uint64 firmwareId = uint64(parts.readUint(7));
        readFleetAtEnd(parts);
        parts.checkSignature();
        checkEnroller(enroller);
        admit(mote, counter, role, policyId, firmwareId);
    }

    /// The admin brings in a new key in place of one that was revoked or quarantined. It takes over role, policy and firmware.
    /// @param enrolment signed by the new key, and names the admin as enroller
    function replace(address mote, bytes calldata enrolment) external onlyAdmin {
        (address next, address enroller, uint64 counter) = readEnrolment(enrolment);
        if (enroller != msg.sender) revert WrongEnroller(enroller);
        Mote memory old = motes[mote];
        if (old.status != REVOKED && old.status != QUARANTINED) revert WrongStatus(old.status);
        if (motes[next].status != ABSENT) revert KeyKnown(motes[next].status);
        succeed(mote, next, BY_REPLACEMENT);
        admit(next, counter, old.role, old.policyId, old.firmwareId);
    }

    /// The admin confirms that an active mote goes on under a new key. Both keys sign the same payload.
    function rotate(bytes calldata byOld, bytes calldata byNew) external onlyAdmin {
        (address mote, address next, uint64 counter) = readRotation(byOld);
        SignedMessage.Parts memory parts = SignedMessage.open(byNew);
        if (parts.signer != next) revert OtherMote();
        (address sameMote, address sameNext, uint64 sameCounter) = readRotationOf(parts);
        if (sameMote != mote || sameNext != next) revert OtherMote();
        if (sameCounter != counter) revert OtherCounter();
        Mote memory old = motes[mote];
        if (old.status != ACTIVE) revert WrongStatus(old.status);
        if (counter <= old.counter) revert CounterUsed(old.counter);
        if (motes[next].status != ABSENT) revert KeyKnown(motes[next].status);
        if (rotations[mote] >= ROTATIONS_MAX) revert RotationsExhausted();
        rotations[next] = rotations[mote] + 1;
        succeed(mote, next, BY_ROTATION);
        motes[mote].counter = counter;
        changeStatus(mote, ROTATED);
        motes[next] = Mote(ACTIVE, old.role, old.policyId, old.firmwareId, uint48(block.number), counter);
        emit MoteChanged(next, ACTIVE, old.role, old.policyId, old.firmwareId);
    }

    /// Gives a mote that is active or suspended another role, policy and firmware.
    function assign(address mote, uint8 role, uint64 policyId, uint64 firmwareId) external onlyAdmin {
        Mote storage stored = motes[mote];
        if (stored.status != ACTIVE && stored.status != SUSPENDED) revert WrongStatus(stored.status);
        checkIds(policyId, firmwareId);
        (stored.role, stored.policyId, stored.firmwareId) = (role, policyId, firmwareId);
        emit MoteChanged(mote, stored.status, role, policyId, firmwareId);
    }

    /// Takes an active mote out until it is enrolled again.
    function suspend(address mote) external onlyAdmin {
        if (motes[mote].status != ACTIVE) revert WrongStatus(motes[mote].status);
        changeStatus(mote, SUSPENDED);
    }

    /// Takes a key out for ever.
    function revoke(address mote) external onlyAdmin {
        uint8 status = motes[mote].status;
        if (status != ACTIVE && status != SUSPENDED) revert WrongStatus(status);
        changeStatus(mote, REVOKED);
    }

    // Evidence

    /// Anyone shows two records of one mote of this fleet that no honest mote makes: of one stream and seq with different digests, or one
    /// of a lower stream with a higher boot. Its key is quarantined for ever, and with it every key that followed it by rotation.
    function reportEquivocation(bytes calldata recordA, bytes calldata recordB) external {
        SignedMessage.Parts memory a = SignedMessage.open(recordA);
        SignedMessage.Parts memory b = SignedMessage.open(recordB);
        if (a.signer != b.signer) revert DifferentMotes();
        Numbers memory inA = readRecord(a);
        Numbers memory inB = readRecord(b);
        bool twice = inA.stream == inB.stream && inA.seq == inB.seq && a.digest != b.digest;
        bool escaped = (inA.stream < inB.stream && inA.boot > inB.boot) || (inB.stream < inA.stream && inB.boot > inA.boot);
        if (!twice && !escaped) revert NoContradiction();
        a.checkSignature();
        b.checkSignature();
        quarantine(a.signer);
        emit Equivocation(a.signer, a.digest, b.digest, msg.sender);
    }

    function quarantine(address mote) private {
        uint8 status = motes[mote].status;
        if (status == ABSENT) revert UnknownMote();
        if (status == QUARANTINED) revert AlreadyQuarantined();
        changeStatus(mote, QUARANTINED);
        for (Successor memory next = successors[mote]; next.kind == BY_ROTATION; next = successors[next.key])
            if (motes[next.key].status != QUARANTINED) changeStatus(next.key, QUARANTINED);
    }

    /// Reads what shares the records' number space, and of it the three numbers that are compared. A record has to be one in every field; of
    /// answers and states, what they have besides is passed over.
    function readRecord(SignedMessage.Parts memory parts) private view returns (Numbers memory numbers) {
        uint256 pairs = parts.readMap();
        uint256 recordType = parts.readUint(0);
        if (recordType != TYPE_RECORD && recordType != TYPE_ANSWER && recordType != TYPE_STATUS)
            revert SignedMessage.PayloadType(recordType);
        bool isRecord = recordType == TYPE_RECORD;
        uint256 seen = 1;
        for (uint256 i = 1; i < pairs; i += 1) {
            uint256 pos = parts.pos;
            uint256 key = parts.readUint();
            // In rising order, so each once.
            if (key > 23 || seen >> key != 0) revert SignedMessage.PayloadMalformed(pos - parts.start);
            seen |= 1 << key;
            readField(parts, key, isRecord, numbers);
        }
        parts.finish();
        bool whole = isRecord
            ? seen & KEYS_RECORD == KEYS_RECORD && seen | KEYS_RECORD_ALL == KEYS_RECORD_ALL
            : seen & KEYS_ALWAYS == KEYS_ALWAYS;
        // Without quality no time; a bound by a header needs the head.
        bool timed = (numbers.time == 0) == (numbers.quality == 0) && (numbers.quality < 3 || !isRecord || seen & KEY_HEAD != 0);
        if (!whole || !timed) revert SignedMessage.PayloadMalformed(0);
    }

    function readField(SignedMessage.Parts memory parts, uint256 key, bool isRecord, Numbers memory numbers) private view {
        if (key == 1) {
            numbers.seq = parts.readUint();
        } else if (key == 2) {
            parts.readHash();
        } else if (key == 3) {
            numbers.boot = parts.readUint();
        } else if (key == 4) {
            numbers.time = parts.readUint();
        } else if (key == 5) {
            numbers.quality = within(parts.readUint(), 3, parts);
        } else if (key == 9) {
            parts.readFleet();
        } else if (key == 10) {
            numbers.stream = parts.readUint();
        } else if (isRecord && key == 6) {
            parts.readExactly(SignedMessage.ARRAY, 3);
            parts.readText(CHAIN_BYTES_MAX);
            parts.readUint();
            parts.readHash();
        } else if (isRecord && key == 7) {
            parts.readPack();
        } else if (isRecord && key == 8) {
            uint256 pos = parts.pos;
            if (parts.readUint() == 0) revert SignedMessage.PayloadMalformed(pos - parts.start);
        } else {
            parts.skip();
        }
    }

    // Messages

    function readEnrolment(bytes calldata message) private view returns (address mote, address enroller, uint64 counter) {
        SignedMessage.Parts memory parts = SignedMessage.open(message);
        counter = readPreamble(parts, TYPE_ENROLMENT, 5);
        enroller = parts.readAddress(4);
        checkExpiry(parts.readUint(5));
        readFleetAtEnd(parts);
        parts.checkSignature();
        mote = parts.signer;
    }

    function readRotation(bytes calldata message) private view returns (address mote, address next, uint64 counter) {
        SignedMessage.Parts memory parts = SignedMessage.open(message);
        (mote, next, counter) = readRotationOf(parts);
        if (parts.signer != mote) revert OtherMote();
    }

    function readRotationOf(SignedMessage.Parts memory parts) private view returns (address mote, address next, uint64 counter) {
        counter = readPreamble(parts, TYPE_ROTATION, 6);
        mote = parts.readAddress(3);
        next = parts.readAddress(4);
        checkExpiry(parts.readUint(5));
        readFleetAtEnd(parts);
        parts.checkSignature();
    }

    /// The map's head, the type and the counter.
    function readPreamble(SignedMessage.Parts memory parts, uint256 wanted, uint256 pairs) private pure returns (uint64) {
        uint256 found = parts.readMap();
        uint256 foundType = parts.readUint(0);
        if (foundType != wanted) revert SignedMessage.PayloadType(foundType);
        if (found != pairs) revert SignedMessage.PayloadMalformed(0);
        return uint64(parts.readUint(1));
    }

    function readPreamble(SignedMessage.Parts memory parts, uint256 wanted, uint256 pairs, uint64 counter) private pure {
        if (readPreamble(parts, wanted, pairs) != counter) revert OtherCounter();
    }

    function readFleetAtEnd(SignedMessage.Parts memory parts) private view {
        parts.readKey(9);
        parts.readFleet();
        parts.finish();
    }

    function within(uint256 value, uint256 max, SignedMessage.Parts memory parts) private pure returns (uint256) {
        if (value > max) revert SignedMessage.PayloadMalformed(parts.pos - parts.start);
        return value;
    }

    // What is stored

    function admit(address mote, uint64 counter, uint8 role, uint64 policyId, uint64 firmwareId) private {
        Mote memory stored = motes[mote];
        if (stored.status != ABSENT && stored.status != SUSPENDED) revert KeyKnown(stored.status);
        if (counter <= stored.counter) revert CounterUsed(stored.counter);
        checkIds(policyId, firmwareId);
        motes[mote] = Mote(ACTIVE, role, policyId, firmwareId, uint48(block.number), counter);
        emit MoteChanged(mote, ACTIVE, role, policyId, firmwareId);
    }

    function succeed(address mote, address next, uint8 kind) private {
        if (successors[mote].kind != 0) revert AlreadySucceeded();
        successors[mote] = Successor(next, kind, rotations[mote]);
        emit SuccessorNamed(mote, next, kind);
    }

    function changeStatus(address mote, uint8 status) private {
        Mote storage stored = motes[mote];
        (stored.status, stored.sinceBlock) = (status, uint48(block.number));
        emit MoteChanged(mote, status, stored.role, stored.policyId, stored.firmwareId);
    }

    function give(Mandate storage mandate, address key, uint48 expiryBlock) private {
        if (key == address(0)) revert ZeroAddress();
        if (expiryBlock < block.number) revert ExpiryPast();
        (mandate.status, mandate.sinceBlock, mandate.expiryBlock) = (MANDATE_GIVEN, uint48(block.number), expiryBlock);
    }

    function takeBack(Mandate storage mandate) private {
        if (mandate.status != MANDATE_GIVEN) revert NotGiven();
        (mandate.status, mandate.sinceBlock, mandate.expiryBlock) = (MANDATE_TAKEN, uint48(block.number), 0);
    }

    function addHash(mapping(uint64 => bytes32) storage table, uint64 id, bytes32 hash) private {
        if (id == 0 || table[id] != 0) revert IdTaken(id);
        if (hash == 0) revert ZeroHash();
        table[id] = hash;
    }

    function checkIds(uint64 policyId, uint64 firmwareId) private view {
        if (policyId != 0 && policies[policyId] == 0) revert UnknownPolicy(policyId);
        if (firmwareId != 0 && firmware[firmwareId] == 0) revert UnknownFirmware(firmwareId);
    }

    function checkEnroller(address enroller) private view {
        Mandate memory mandate = enrollers[enroller];
        if (mandate.status != MANDATE_GIVEN || mandate.expiryBlock < block.number) revert NotEnroller(enroller);
    }

    function checkExpiry(uint256 expiryBlock) private view {
        if (expiryBlock < block.number) revert Expired(expiryBlock);
    }
}
