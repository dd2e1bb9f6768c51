// A real Chromium under commands from Python: one JSON object a line in, one a line out. The scenarios live in Python, because they
// take turns with the chain; what needs the DOM is here: waiting for elements, axe, and the injected wallet.
//
// The wallet is EIP-1193 over EIP-6963. It holds no key: it passes requests to anvil, which signs for its published accounts.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const { AxeBuilder } = require("@axe-core/playwright");

const { CHROMIUM, BASE_URL, RPC_URL } = process.env;
const PATIENCE = 20_000; // milliseconds: the machine may be busy
const MOTION = 2_000; // milliseconds: nothing on the pages fades or slides for longer

let browser;
let rpcId = 0;
const pages = new Map();

async function rpc(method, params) {
  const answer = await fetch(RPC_URL, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: ++rpcId, method, params }),
  });
  const body = await answer.json();
  if (body.error) throw Object.assign(new Error(body.error.message), { code: body.error.code });
  return body.result;
}

// What a wallet extension does between the page and the node.
async function wallet(state, method, params) {
  state.requests.push(method);
  if (state.refuses.has(method)) return { error: { code: 4001, message: "User rejected the request." } };
  try {
    switch (method) {
      case "eth_requestAccounts":
      case "eth_accounts":
        return { result: [state.account] };
      case "wallet_switchEthereumChain":
      case "wallet_addEthereumChain":
        return { result: null };
      case "eth_signTypedData_v4":
        return { result: await rpc(method, [params[0], typeof params[1] === "string" ? JSON.parse(params[1]) : params[1]]) };
      default:
        return { result: await rpc(method, params) };
    }
  } catch (error) {
    return { error: { code: error.code ?? -32603, message: error.message } };
  }
}

// Runs inside the page, before its own scripts.
function announceWallet() {
  const listeners = new Map();
  const provider = Object.freeze({
    async request({ method, params }) {
      const answer = await window.__wallet(method, params ?? []);
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
      return answer.result;
    },
    on: (event, call) => listeners.set(event, [...(listeners.get(event) ?? []), call]),
    removeListener: (event, call) => listeners.set(event, (listeners.get(event) ?? []).filter((each) => each !== call)),
  });
  const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";
  const info = Object.freeze({ uuid: "6a1f3f0e-8d0a-4b39-9d3c-6c0f7a1d2e11", name: "Test wallet", icon, rdns: "test.wallet" });
  const announce = () =>
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
}

async function open({ page: name, account, width = 1280, height = 900, theme = "light" }) {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, baseURL: BASE_URL });
  const state = { account, requests: [], refuses: new Set(), complaints: [] };
  if (account) {
    await context.exposeBinding("__wallet", (_source, method, params) => wallet(state, method, params));
    await context.addInitScript(announceWallet);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) state.complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => state.complaints.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => {
    if (request.failure()?.errorText !== "net::ERR_ABORTED") state.complaints.push(`failed: ${request.url()}`);
  });
  pages.set(name, { context, page, state });
}

// The element that a command means: by role and accessible name, by label, or by text; inside another one with `within`.
function find(page, { role, name, label, text, within, exact = false, nth }) {
  let scope = within ? find(page, within) : page;
  if (role) scope = scope.getByRole(role, name === undefined ? {} : { name, exact });
  else if (label) scope = scope.getByLabel(label, { exact });
  else scope = scope.getByText(text, { exact });
  return nth === undefined ? scope : scope.nth(nth);
}

const commands = {
  open,
  async goto({ page, path }) {
    await pages.get(page).page.goto(path);
  },
  async click({ page, ...what }) {
    await find(pages.get(page).page, what).click();
  },
  async choose({ page, ...what }) {
    await find(pages.get(page).page, what).check({ force: true });
  },
  async fill({ page, value, ...what }) {
    await find(pages.get(page).page, what).fill(value);
  },
  async see({ page, ...what }) {
    await find(pages.get(page).page, what).first().waitFor({ state: "visible" });
  },
  async gone({ page, ...what }) {
    await find(pages.get(page).page, what).first().waitFor({ state: "hidden" });
  },
  async text({ page, ...what }) {
    return find(pages.get(page).page, what).first().innerText();
  },
  async count({ page, ...what }) {
    return find(pages.get(page).page, what).count();
  },
  async press({ page, key }) {
    await pages.get(page).page.keyboard.press(key);
  },
  async theme({ page, theme }) {
    const tab = pages.get(page).page;
    await tab.emulateMedia({ colorScheme: theme });
    // Colours begin to fade with the next frame: axe waits for what has begun.
    await tab.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  },
  async size({ page, width, height }) {
    await pages.get(page).page.setViewportSize({ width, height });
  },
  async overflow({ page }) {
    return pages.get(page).page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  },
  async url({ page }) {
    return pages.get(page).page.url();
  },
  async snapshot({ page }) {
    return pages.get(page).page.locator("body").ariaSnapshot();
  },
  async picture({ page, path, full = true }) {
    await pages.get(page).page.screenshot({ path, fullPage: full });
  },
  async axe({ page }) {
    // Half-faded colours are nobody's: what moves comes to rest first, save what turns for ever. What stands still never ends, and what
    // the page takes away meanwhile may not either: so not longer than anything here moves.
    await pages.get(page).page.evaluate((most) => {
      const moving = document.getAnimations().filter((each) => each.playState === "running" && each.effect.getComputedTiming().endTime !== Infinity);
      return Promise.race([Promise.allSettled(moving.map((each) => each.finished)), new Promise((done) => setTimeout(done, most))]);
    }, MOTION);
    const found = await new AxeBuilder({ page: pages.get(page).page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]).analyze();
    return found.violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      where: nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
    }));
  },
  async refuse({ page, methods }) {
    pages.get(page).state.refuses = new Set(methods);
  },
  async complaints({ page }) {
    return pages.get(page).state.complaints;
  },
  async requests({ page }) {
    return pages.get(page).state.requests;
  },
  async close({ page }) {
    await pages.get(page).context.close();
    pages.delete(page);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command](given)) ?? null };
  } catch (error) {
    const at = pages.get(given.page)?.page;
    answer = { error: error.message.split("\n").slice(0, 6).join("\n"), url: at?.url() ?? "" };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser?.close();
