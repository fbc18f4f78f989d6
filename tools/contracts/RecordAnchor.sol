// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Roots of append-only Merkle trees over records (RFC 9162), one tree for each account that anchors (docs/ledger.md).
///
/// Promises: each root of an account begins with all leaves of the one before, which the contract verifies; of one size it has one root;
/// one slot proves that a root was anchored, by whom, with how many leaves, and when.
/// Never: knows a leaf, moves value, or calls another contract.
contract RecordAnchor {
    /// One slot of 32 bytes.
    struct Anchored {
        uint48 blockNumber;
        /// Of that block, in seconds since the Unix epoch.
        uint48 time;
    }

    struct Latest {
        bytes32 root;
        uint48 size;
    }

    uint256 public constant SIZE_MAX = 2 ** 48 - 1;
    /// A consistency proof has one hash more than a tree has levels.
    uint256 public constant PROOF_HASHES_MAX = 49;

    // The slots of these are what motes prove; test/contracts/build.test.ts holds docs/ledger.md to them.
    /// By keccak256(account, size in 8 bytes, root).
    mapping(bytes32 => Anchored) public anchors;
    mapping(address => Latest) public latest;

    event RootAnchored(address indexed account, uint48 size, bytes32 root);

    /// The tree has not more leaves than the one before, or more than any tree may.
    error SizeOutOfRange(uint256 latest);
    /// A hash too many or too few.
    error ProofLength();
    /// The hashes do not lead from the root before.
    error OtherFirstTree();
    /// The hashes do not lead to the new root.
    error OtherSecondTree();

    /// @param root of the tree of `size` leaves
    /// @param proof RFC 9162, section 2.1.4.1, from the sender's latest tree to this one; empty for the sender's first
    function anchor(bytes32 root, uint256 size, bytes32[] calldata proof) external {
        Latest memory before = latest[msg.sender];
        if (size <= before.size || size > SIZE_MAX) revert SizeOutOfRange(before.size);
        if (before.size == 0) {
            if (proof.length != 0) revert ProofLength();
        } else {
            checkConsistency(before.size, size, before.root, root, proof);
        }
        latest[msg.sender] = Latest(root, uint48(size));
        anchors[keyOf(msg.sender, size, root)] = Anchored(uint48(block.number), uint48(block.timestamp));
        emit RootAnchored(msg.sender, uint48(size), root);
    }

    /// Where `anchors` keeps a root.
    function keyOf(address account, uint256 size, bytes32 root) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(account, uint64(size), root));
    }

    /// RFC 9162, section 2.1.4.2, for 0 < first < second.
    function checkConsistency(uint256 first, uint256 second, bytes32 firstRoot, bytes32 secondRoot, bytes32[] calldata proof)
        private
        pure
    {
        uint256 length = proof.length;
        if (length == 0 || length > PROOF_HASHES_MAX) revert ProofLength();
        uint256 fn = first - 1;
        uint256 sn = second - 1;
        while (fn & 1 == 1) (fn, sn) = (fn >> 1, sn >> 1);
        // Where the first tree is one complete subtree, its root is where the path begins, and is not sent.
        uint256 i = fn == 0 ? 0 : 1;
        bytes32 firstHash = fn == 0 ? firstRoot : proof[0];
        bytes32 secondHash = firstHash;
        for (; i < length; i += 1) {
            if (sn == 0) revert ProofLength();
            bytes32 sibling = proof[i];
            if (fn & 1 == 1 || fn == sn) {
                firstHash = nodeHash(sibling, firstHash);
                secondHash = nodeHash(sibling, secondHash);
                while (fn & 1 == 0 && fn != 0) (fn, sn) = (fn >> 1, sn >> 1);
            } else {
                secondHash = nodeHash(secondHash, sibling);
            }
            (fn, sn) = (fn >> 1, sn >> 1);
        }
        if (sn != 0) revert ProofLength();
        if (firstHash != firstRoot) revert OtherFirstTree();
        if (secondHash != secondRoot) revert OtherSecondTree();
    }

    function nodeHash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
