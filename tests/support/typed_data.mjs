// A JavaScript wallet's view of EIP-712: reads {key, groups: [{domain, type, types, messages}]} on stdin, and writes for
// each group the hashes of its messages and, with the key, the signature of the first ones. Numbers are decimal strings.
import { TypedDataEncoder, Wallet } from "ethers";

const SIGNED = 10;

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { key, groups } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
const wallet = new Wallet(key);

const answers = [];
for (const { domain, type, types, messages } of groups) {
  const encoder = TypedDataEncoder.from(types);
  if (encoder.primaryType !== type) throw new Error(`${type} is not the primary type: ${encoder.primaryType}`);
  const hashes = messages.map((message) => TypedDataEncoder.hash(domain, types, message));
  const signatures = [];
  for (const message of messages.slice(0, SIGNED)) signatures.push(await wallet.signTypedData(domain, types, message));
  answers.push({ hashes, signatures });
}
process.stdout.write(JSON.stringify(answers));
