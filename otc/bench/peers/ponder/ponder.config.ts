// The escrow's events of some blocks, as ponder's documentation sets up a contract. otc/bench/ponder.py fills the environment.
import { readFileSync } from "node:fs";
import { createConfig } from "ponder";

const abi = JSON.parse(readFileSync(process.env.PEER_ABI!, "utf8")).abi;

export default createConfig({
  database: { kind: "postgres", connectionString: process.env.PEER_DATABASE! },
  chains: { bench: { id: Number(process.env.PEER_CHAIN), rpc: process.env.PEER_RPC! } },
  contracts: {
    Escrow: {
      chain: "bench",
      abi,
      address: process.env.PEER_ESCROW as `0x${string}`,
      startBlock: Number(process.env.PEER_FIRST),
      endBlock: Number(process.env.PEER_LAST),
    },
  },
});
