// Ethereum's JSON-RPC (EIP-1474) is plain JSON-RPC over HTTP.

export { JsonRpc as EthereumRpc, RpcError } from "../rpc/json-rpc.js";
