// Sign-In with Ethereum: the server's text, the wallet's signature, a session. And what to do when the wallet moves on.

import { WalletError, account, call, chains, useChain } from "./wallet.js";

const body = () => document.body.dataset;

/** POSTs JSON; the sentence of a problem becomes the error's message. */
export async function post(url, data) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": body().csrf },
      body: JSON.stringify(data),
    });
  } catch {
    throw new WalletError("The server can’t be reached: check the connection and try again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new WalletError(answer.detail ?? "The server refused: reload the page and try again.");
  return answer;
}

export function notice(text, { tone = "warn", action } = {}) {
  const place = document.getElementById("venue-notice");
  place.replaceChildren();
  if (!text) return;
  const box = document.createElement("div");
  box.className = `notice notice-${tone} mt-3`;
  const line = document.createElement("p");
  line.textContent = text;
  box.append(line);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm justify-self-start";
    button.textContent = action.label;
    button.addEventListener("click", action.run);
    box.append(button);
  }
  place.append(box);
}

const hex = (text) => `0x${[...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

export async function signIn(button) {
  button?.setAttribute("aria-busy", "true");
  try {
    const address = await account({ ask: true });
    const served = chains();
    const here = BigInt(await call("eth_chainId"));
    let chain = served.find((one) => BigInt(one.chainId) === here);
    if (!chain) {
      [chain] = served;
      if (!chain) throw new WalletError("This venue serves no chain yet.");
      await useChain(chain.chainId);
    }
    const { message } = await post("/sign-in/message", { address, chain_id: Number(BigInt(chain.chainId)) });
    const signature = await call("personal_sign", [hex(message), address]);
    await post("/sign-in", { message, signature });
    location.reload();
  } catch (error) {
    notice(error instanceof WalletError ? error.message : `Signing in failed: ${error.message}`, { tone: "bad" });
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

function accountMoved(address) {
  const mine = body().wallet;
  if (!mine || !address || address === mine) {
    notice("");
    return;
  }
  notice(`The wallet is now at ${address.slice(0, 6)}…${address.slice(-4)}, but this page belongs to ${mine.slice(0, 6)}…${mine.slice(-4)}.`, {
    action: { label: "Sign in with the new account", run: () => signIn() },
  });
}

export function start() {
  addEventListener("wallet-account", (event) => accountMoved(event.detail));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sign-in]");
    if (button) signIn(button);
  });
}
