// The reader's wallet: found by EIP-6963 (window.ethereum where a wallet is too old for it), spoken to by EIP-1193.

const remembered = "forelock-wallet";
const found = new Map(); // rdns → {info, provider}

addEventListener("eip6963:announceProvider", (event) => {
  const { info, provider } = event.detail ?? {};
  if (info?.rdns && provider?.request) found.set(info.rdns, { info, provider });
});
dispatchEvent(new Event("eip6963:requestProvider"));

/** An error whose message is a sentence for the reader. */
export class WalletError extends Error {}

function wallets() {
  const list = [...found.values()];
  if (list.length === 0 && window.ethereum?.request) {
    list.push({ info: { rdns: "window.ethereum", name: "Browser wallet" }, provider: window.ethereum });
  }
  return list;
}

function recall() {
  try {
    return localStorage.getItem(remembered);
  } catch {
    return null;
  }
}

function choose(list) {
  const dialog = document.getElementById("wallet-dialog");
  const choices = document.getElementById("wallet-choices");
  choices.replaceChildren();
  return new Promise((resolve) => {
    for (const wallet of list) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-block justify-start";
      if (wallet.info.icon?.startsWith("data:image/")) {
        const icon = document.createElement("img");
        icon.src = wallet.info.icon;
        icon.alt = "";
        icon.width = icon.height = 24;
        button.append(icon);
      }
      button.append(wallet.info.name);
      button.addEventListener("click", () => {
        resolve(wallet);
        dialog.close();
      });
      const item = document.createElement("li");
      item.append(button);
      choices.append(item);
    }
    dialog.addEventListener("close", () => resolve(null), { once: true });
    dialog.showModal();
  });
}

let current = null;

/** The chosen wallet's provider. `ask` lets the reader choose among several, else the remembered one is taken. */
export async function provider({ ask = false } = {}) {
  if (current && !ask) return current;
  const list = wallets();
  if (list.length === 0) {
    throw new WalletError("No wallet was found in this browser. Install one (MetaMask, Rabby, Frame …), reload the page and try again.");
  }
  const known = list.find((wallet) => wallet.info.rdns === recall());
  const wallet = list.length === 1 ? list[0] : !ask && known ? known : await choose(list);
  if (!wallet) throw new WalletError("No wallet was chosen.");
  try {
    localStorage.setItem(remembered, wallet.info.rdns);
  } catch {
    // then it is asked again on the next page
  }
  current = wallet.provider;
  watch(current);
  return current;
}

/** One request; its refusals become sentences. */
export async function call(method, params = [], options = {}) {
  const wallet = await provider(options);
  try {
    return await wallet.request({ method, params });
  } catch (error) {
    throw explained(error);
  }
}

function explained(error) {
  const code = error?.code ?? error?.data?.originalError?.code;
  if (code === 4001) return new WalletError("You declined in the wallet. Nothing was signed or sent; try again when you like.");
  if (code === -32002) return new WalletError("The wallet already has a request open: look at its window and answer it there.");
  if (code === 4100) return new WalletError("The wallet has not allowed this site to use that account: connect it in the wallet and try again.");
  if (code === 4900 || code === 4901) return new WalletError("The wallet is not connected to the network: check it and try again.");
  const detail = String(error?.data?.message ?? error?.message ?? error).slice(0, 200);
  const wrapped = new WalletError(`The wallet answered: ${detail}`);
  wrapped.code = code;
  wrapped.cause = error;
  return wrapped;
}

/** The account the wallet uses for this site, lower-case; asks to connect where it has not yet. */
export async function account(options = {}) {
  const accounts = await call("eth_requestAccounts", [], options);
  if (!accounts?.length) throw new WalletError("The wallet gave no account: unlock it and try again.");
  return accounts[0].toLowerCase();
}

export function chains() {
  return JSON.parse(document.getElementById("chains")?.textContent || "[]");
}

/** Puts the wallet on `chainId` (0x-hex), adding the chain where the wallet does not know it. */
export async function useChain(chainId) {
  const same = async () => BigInt(await call("eth_chainId")) === BigInt(chainId);
  if (await same()) return;
  const chain = chains().find((one) => one.chainId === chainId);
  const name = chain?.chainName ?? `chain ${BigInt(chainId)}`;
  try {
    await call("wallet_switchEthereumChain", [{ chainId }]);
  } catch (error) {
    const original = error.cause?.data?.originalError?.code ?? error.code;
    if ((error.code !== 4902 && original !== 4902 && error.code !== -32603) || !chain?.rpcUrls.length) {
      throw new WalletError(`The wallet is on another network: switch it to ${name} and try again. (${error.message})`);
    }
    const { escrow, ...wanted } = chain;
    if (!wanted.blockExplorerUrls.length) delete wanted.blockExplorerUrls;
    await call("wallet_addEthereumChain", [wanted]);
  }
  if (!(await same())) throw new WalletError(`The wallet is still on another network: switch it to ${name} and try again.`);
}

const watched = new WeakSet();

function watch(wallet) {
  if (watched.has(wallet) || !wallet.on) return;
  watched.add(wallet);
  wallet.on("accountsChanged", (accounts) => {
    dispatchEvent(new CustomEvent("wallet-account", { detail: accounts?.[0]?.toLowerCase() ?? "" }));
  });
  wallet.on("chainChanged", () => dispatchEvent(new CustomEvent("wallet-chain")));
}

/** Listens to the remembered wallet from the start, without asking it for anything. */
export function resume() {
  const known = wallets().find((wallet) => wallet.info.rdns === recall()) ?? (wallets().length === 1 ? wallets()[0] : null);
  if (!known) return;
  current = known.provider;
  watch(current);
}
