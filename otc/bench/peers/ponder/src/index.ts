// One row for each decoded event, as the other contenders store them.
import { readFileSync } from "node:fs";
import { ponder } from "ponder:registry";
import { log } from "ponder:schema";

const abi = JSON.parse(readFileSync(process.env.PEER_ABI!, "utf8")).abi as { type: string; name: string }[];

for (const { name } of abi.filter((item) => item.type === "event")) {
  ponder.on(`Escrow:${name}` as never, async ({ event, context }: any) => {
    const args = JSON.stringify(event.args, (_key, value) => (typeof value === "bigint" ? value.toString() : value));
    await context.db.insert(log).values({ id: event.id, name, args });
  });
}
