// A step that the wallet confirms: to sign → sent → seen → safe → final, or what went wrong and what to do.

import { notice, post } from "./session.js";
import { WalletError, account, call, useChain } from "./wallet.js";

const STAGES = ["sent", "seen", "safe", "final"];
const WORDS = {
  sent: "Sent. Waiting for a block…",
  seen: "Seen in a block. It can still be undone for a moment.",
  safe: "Safe: a few blocks deep.",
  final: "Final: it can no longer be undone.",
};
const QUICK = 1000; // ms between looks at a transaction that is young
const SLOW = 4000;
const YOUNG = 60; // looks
const PATIENCE = 600; // looks

function say(flow, text, tone = "") {
  const line = flow.querySelector("[data-flow-status]");
  line.className = `mt-1 font-medium ${tone}`;
  line.textContent = text;
}

function show(flow, stage) {
  const list = flow.querySelector("[data-flow-stages]");
  list.hidden = false;
  const reached = STAGES.indexOf(stage);
  for (const item of list.children) {
    const index = STAGES.indexOf(item.dataset.stage);
    item.className = index < reached || stage === "final" ? "done" : index === reached ? "now" : "";
  }
}

function failed(flow, error) {
  say(flow, error instanceof WalletError ? error.message : `This failed: ${error.message}`, "field-error");
  const button = flow.querySelector("[data-flow-start]");
  if (button) {
    button.disabled = false;
    button.textContent = "Try again";
  }
}

async function ready(flow) {
  const address = await account();
  const wanted = flow.dataset.account.toLowerCase();
  if (address !== wanted) {
    throw new WalletError(`The wallet is at ${address.slice(0, 6)}…${address.slice(-4)}: switch it to ${wanted.slice(0, 6)}…${wanted.slice(-4)}, with which you are signed in, and try again.`);
  }
  await useChain(flow.dataset.chain);
  return wanted;
}

async function sign(flow) {
  const from = await ready(flow);
  say(flow, "To sign: confirm in the wallet.");
  const signature = await call("eth_signTypedData_v4", [from, flow.dataset.payload]);
  say(flow, "Signed. Handing it in…");
  const answer = await post(flow.dataset.sendTo, { typed_data: JSON.parse(flow.dataset.payload), signature });
  flow.querySelector("[data-flow-start]")?.remove();
  flow.classList.add("notice-good");
  say(flow, answer.said ?? "Done.", "buy");
  htmx.trigger(document.body, "chain-changed");
}

async function send(flow) {
  const from = await ready(flow);
  const { to, data, value, gas } = JSON.parse(flow.dataset.payload);
  const transaction = { from, to, data, value: value ?? "0x0" };
  if (gas) transaction.gas = gas;
  say(flow, "To sign: confirm in the wallet.");
  const hash = await call("eth_sendTransaction", [transaction]);
  flow.querySelector("[data-flow-start]")?.remove();
  flow.querySelector("[data-flow-hash]").textContent = hash;
  show(flow, "sent");
  say(flow, WORDS.sent);
  await follow(flow, hash);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function stageOf(flow, hash, receipt) {
  const block = receipt ? `?block=${BigInt(receipt.blockNumber)}` : "";
  const response = await fetch(flow.dataset.statusUrl.replace(/0x$/, hash) + block);
  return response.ok ? (await response.json()).stage : "sent";
}

// Until it is final, the element is gone, or patience ends. The wallet's node knows the receipt, our server the depth.
async function follow(flow, hash) {
  let last = "sent";
  for (let look = 0; look < PATIENCE && flow.isConnected; look += 1) {
    const receipt = await call("eth_getTransactionReceipt", [hash]).catch(() => null);
    if (receipt && BigInt(receipt.status) === 0n) {
      throw new WalletError("The transaction was included but the contract refused it: somebody was faster, or a deadline passed. Nothing moved but the network’s fee. Close this and look at the newest state.");
    }
    const stage = await stageOf(flow, hash, receipt).catch(() => last);
    if (stage !== last) {
      if (last === "sent") {
        htmx.trigger(document.body, "chain-changed");
        if (flow.dataset.continue) {
          say(flow, "Approved. Preparing the next step…");
          htmx.trigger(document.querySelector(flow.dataset.continue), "submit");
          return;
        }
      }
      last = stage;
      show(flow, stage);
      say(flow, WORDS[stage], stage === "sent" ? "" : "buy");
    }
    if (stage === "final") return;
    await pause(look < YOUNG ? QUICK : SLOW);
  }
  if (flow.isConnected && last === "sent") {
    say(flow, "Not in a block yet. If you sped it up or cancelled it in the wallet, look there: this page follows the chain either way.");
  }
}

async function run(flow) {
  const button = flow.querySelector("[data-flow-start]");
  if (button) button.disabled = true;
  try {
    await (flow.dataset.kind === "typed-data" ? sign(flow) : send(flow));
  } catch (error) {
    failed(flow, error);
  }
}

export function begin(root) {
  const flow = root.matches?.("[data-flow]") ? root : root.querySelector?.("[data-flow]");
  if (!flow || flow.dataset.begun) return;
  flow.dataset.begun = "1";
  flow.scrollIntoView({ block: "nearest" });
  (flow.querySelector("[data-flow-start]") ?? flow).focus();
}

export function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-flow-start]");
    if (button) run(button.closest("[data-flow]"));
  });
  addEventListener("wallet-chain", () => notice(""));
}
